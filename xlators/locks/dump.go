package locks

import (
	"bytes"
	"slices"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// InodeLocks are the locks of one inode.
type InodeLocks struct {
	GFID  fop.GFID
	Locks []LockInfo
}

// LockInfo describes a lock that is held or waited for.
type LockInfo struct {
	Kind    Kind
	Domain  string // of translators' locks
	Name    string // Entry; "": all names
	Type    fop.LkType
	Flock   bool // Posix
	Start   uint64
	Len     uint64 // 0: to the end
	Owner   fop.LkOwner
	Client  uint64    // connection
	PID     uint32    // Posix
	Blocked time.Time // since when it waits; zero: it is granted
}

// Dump lists all locks, by GFID. It takes each shard's lock in turn: the whole is not of one
// moment, each inode is.
func (l *locks) Dump() []InodeLocks {
	var out []InodeLocks
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, in := range s.inodes {
			out = append(out, in.dump())
		}
		s.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b InodeLocks) int { return bytes.Compare(a.GFID[:], b.GFID[:]) })
	return out
}

func (in *inode) dump() InodeLocks {
	r := InodeLocks{GFID: in.gfid}
	for _, k := range in.granted {
		r.Locks = append(r.Locks, k.info(time.Time{}))
	}
	for _, w := range in.waiting {
		r.Locks = append(r.Locks, w.lock.info(w.since))
	}
	for i := range in.posix.granted {
		r.Locks = append(r.Locks, in.posix.granted[i].info(time.Time{}))
	}
	for _, w := range in.posix.waiting {
		r.Locks = append(r.Locks, w.lock.info(w.since))
	}
	return r
}

func (k *lock) info(blocked time.Time) LockInfo {
	i := LockInfo{Kind: Inode, Domain: k.domain, Type: k.typ, Start: uint64(k.start), Len: uint64(k.length()), Owner: k.owner.lk, Client: k.owner.client, Blocked: blocked}
	if k.entry {
		i.Kind, i.Name, i.Start, i.Len = Entry, k.name, 0, 0
	}
	return i
}

func (k *plock) info(blocked time.Time) LockInfo {
	return LockInfo{Kind: Posix, Type: k.typ, Flock: k.flock, Start: k.start, Len: k.length(), Owner: k.owner.lk, Client: k.owner.client, PID: k.pid, Blocked: blocked}
}
