package brick

import (
	"fmt"
	"strings"
	"time"

	"github.com/gofs/gofs/inspect"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/posix"
)

// maxShown bounds how many inodes, or files of one client, are listed.
const maxShown = 100

// view shows a part of the brick's memory.
func (b *process) view(q *mgmt.ViewAsk) (*mgmt.BrickView, error) {
	switch q.Kind {
	case mgmt.ViewMem:
		m := inspect.Memory()
		return &mgmt.BrickView{Memory: &m}, nil
	case mgmt.ViewInode:
		return &mgmt.BrickView{Inodes: b.inodes()}, nil
	case mgmt.ViewFD, mgmt.ViewCallpool:
		r := &mgmt.BrickView{}
		for _, c := range b.srv.Connections(maxShown) {
			r.Conns = append(r.Conns, connection(b.cfg.Path, &c, q.Kind == mgmt.ViewFD))
		}
		return r, nil
	}
	return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("%q cannot be shown", q.Kind)}
}

func (b *process) inodes() *mgmt.Inodes {
	t, _ := posix.InodeTableOf(b.parts.posix, maxShown)
	r := &mgmt.Inodes{Limit: t.Limit, Active: t.Active, LRU: t.Idle, List: []mgmt.InodeInfo{}}
	for _, in := range t.Open {
		r.List = append(r.List, mgmt.InodeInfo{GFID: in.GFID.String(), Refs: in.Refs, Open: in.Open, Type: letter(in.Type)})
	}
	return r
}

// letter is a file type as GlusterFS's tables have it.
func letter(t fop.FileType) string {
	switch t {
	case fop.TypeDir:
		return "D"
	case fop.TypeReg:
		return "R"
	case fop.TypeLink:
		return "L"
	case fop.TypeBlk:
		return "B"
	case fop.TypeChr:
		return "C"
	case fop.TypeFifo:
		return "F"
	case fop.TypeSock:
		return "S"
	}
	return "I"
}

// connection describes what a client has open, or what it waits for.
func connection(brick string, c *server.Connection, fds bool) mgmt.Connection {
	r := mgmt.Connection{ClientInfo: clientInfo(&c.ClientInfo), Handles: c.Handles}
	if fds {
		for _, h := range c.Open {
			r.FDs = append(r.FDs, mgmt.FD{GFID: h.GFID.String(), Path: nameOf(brick, h.GFID), Flags: h.Flags, PID: h.PID, Refs: h.Refs})
		}
		return r
	}
	for _, q := range c.Calls {
		call := mgmt.Call{Unique: q.ID, Fop: q.Name, Seconds: time.Since(q.Since).Seconds(), Waiting: q.Waiting}
		if q.Caller != nil {
			call.UID, call.GID, call.PID = q.Caller.UID, q.Caller.GID, q.Caller.PID
		}
		r.Calls = append(r.Calls, call)
	}
	return r
}

func clientInfo(c *server.ClientInfo) mgmt.ClientInfo {
	return mgmt.ClientInfo{Addr: c.Addr, Name: c.Name, Read: c.BytesIn, Wrote: c.BytesOut}
}

// dump writes the brick's state to a file and returns its name.
func (b *process) dump(parts []string) (string, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(b.cfg.Path, "/"), "/", "-")
	return inspect.Write(b.dumpDir(), name, parts, func(d *inspect.Dump) {
		if d.Wants("callpool") {
			b.dumpCalls(d)
		}
		if d.Wants("priv") {
			d.Section("brick")
			d.Put("volume", b.cfg.Volume)
			d.Put("volume-id", b.cfg.VolumeID)
			d.Put("path", b.cfg.Path)
			d.Put("port", b.port)
			st := b.status()
			d.Put("serving", st.Serving)
			d.Put("reason", st.Reason)
			d.Stats(b.cfg.Path, b.parts.stats)
			b.dumpLocks(d)
		}
		if d.Wants("fd") {
			b.dumpFDs(d)
		}
		if d.Wants("inode") {
			b.dumpInodes(d)
		}
	})
}

func (b *process) dumpCalls(d *inspect.Dump) {
	conns := b.srv.Connections(0)
	n := 0
	for _, c := range conns {
		n += len(c.Calls)
	}
	d.Section("global.callpool")
	d.Put("callpool.cnt", n)
	n = 0
	for _, c := range conns {
		for _, q := range connection(b.cfg.Path, &c, false).Calls {
			n++
			d.Section("global.callpool.stack.%d", n)
			d.Put("client", c.Addr)
			d.Put("op", q.Fop)
			d.Put("unique", q.Unique)
			d.Put("uid", q.UID)
			d.Put("gid", q.GID)
			d.Put("pid", q.PID)
			d.Put("age", fmt.Sprintf("%.6fs", q.Seconds))
			d.Put("waits-for-lock", q.Waiting)
		}
	}
}

func (b *process) dumpFDs(d *inspect.Dump) {
	for i, c := range b.srv.Connections(1 << 20) {
		d.Section("conn.%d", i+1)
		d.Put("client", c.Addr)
		d.Put("name", c.Name)
		d.Put("since", c.Since.Format(time.RFC3339))
		d.Put("bytes-read", c.BytesIn)
		d.Put("bytes-written", c.BytesOut)
		d.Put("openfds", c.Handles)
		for k, h := range c.Open {
			d.Put(fmt.Sprintf("fdentry[%d]", k), fmt.Sprintf("gfid=%s, flags=%#o, pid=%d, refcount=%d, path=%s", h.GFID, h.Flags, h.PID, h.Refs, nameOf(b.cfg.Path, h.GFID)))
		}
	}
}

func (b *process) dumpInodes(d *inspect.Dump) {
	t, _ := posix.InodeTableOf(b.parts.posix, 1<<20)
	d.Section("xlator.storage.posix.itable")
	d.Put("lru_limit", t.Limit)
	d.Put("active_size", t.Active)
	d.Put("lru_size", t.Idle)
	for i, in := range t.Open {
		d.Put(fmt.Sprintf("active[%d]", i+1), fmt.Sprintf("gfid=%s, ref=%d, fd-count=%d, ia_type=%s", in.GFID, in.Refs, in.Open, letter(in.Type)))
	}
}

// dumpLocks writes every lock, inode by inode.
func (b *process) dumpLocks(d *inspect.Dump) {
	if b.parts.locks == nil {
		return
	}
	clients := map[uint64]string{}
	for _, c := range b.srv.Clients() {
		clients[c.Client] = c.Addr
	}
	for _, in := range b.parts.locks.Dump() {
		d.Section("xlator.features.locks.%s.inode", b.parts.locksName)
		d.Put("gfid", in.GFID)
		d.Put("path", nameOf(b.cfg.Path, in.GFID))
		for i, k := range in.Locks {
			state, since := "ACTIVE", ""
			if !k.Blocked.IsZero() {
				state, since = "BLOCKED", ", blocked at "+k.Blocked.Format("2006-01-02 15:04:05")
			}
			d.Put(fmt.Sprintf("%s[%d](%s)", lockKind(k.Kind), i, state), describeLock(&k)+fmt.Sprintf(", owner=%016x, client=%s%s", uint64(k.Owner), clients[k.Client], since))
		}
	}
}

func lockKind(k locks.Kind) string {
	return map[locks.Kind]string{locks.Inode: "inodelk", locks.Entry: "entrylk", locks.Posix: "posixlk"}[k]
}

func describeLock(k *locks.LockInfo) string {
	typ := "WRITE"
	if k.Type == fop.LkRead {
		typ = "READ"
	}
	switch k.Kind {
	case locks.Entry:
		return fmt.Sprintf("type=%s on basename=%q, domain=%s", typ, k.Name, k.Domain)
	case locks.Posix:
		return fmt.Sprintf("type=%s, whence=0, start=%d, len=%d, pid=%d, flock=%t", typ, k.Start, k.Len, k.PID, k.Flock)
	}
	return fmt.Sprintf("type=%s, whence=0, start=%d, len=%d, domain=%s", typ, k.Start, k.Len, k.Domain)
}
