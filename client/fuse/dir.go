package fuse

import (
	"math"
	"sync"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// readdirSize is how much of a directory is asked for at once, in bytes.
const readdirSize = 128 << 10

// The offsets after "." and "..", which come first. They are above all offsets of a
// brick's filesystem.
const (
	afterDot    = math.MaxInt64 - 2
	afterDotDot = math.MaxInt64 - 1
)

// dirHandle is an open directory.
type dirHandle struct {
	node *node
	dir  xlator.Dir

	mu      sync.Mutex
	entries []fop.Dirent // fetched from offset from on, not yet given to the kernel
	from    uint64
	eof     bool // nothing follows entries
	plus    bool // entries have attributes
	fetched time.Time
}

// OpenDir opens a directory.
func (b *Bridge) OpenDir(_ <-chan struct{}, in *gofuse.OpenIn, out *gofuse.OpenOut) gofuse.Status {
	n, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	r, err := b.top.Opendir(background, &fop.OpendirReq{Req: b.req(&in.InHeader), GFID: n.gfid})
	if err != nil {
		return status(err)
	}
	out.Fh = b.dirs.add(&dirHandle{node: n, dir: r.Dir})
	return gofuse.OK
}

// ReadDir lists names.
func (b *Bridge) ReadDir(_ <-chan struct{}, in *gofuse.ReadIn, out *gofuse.DirEntryList) gofuse.Status {
	return b.list(in, false, func(e *fop.Dirent) bool {
		return out.AddDirEntry(gofuse.DirEntry{Name: e.Name, Ino: b.ino(e.Iatt.GFID), Mode: e.Iatt.Type.ModeBits(), Off: e.Off})
	})
}

// ReadDirPlus lists names with what a lookup of them would answer.
func (b *Bridge) ReadDirPlus(_ <-chan struct{}, in *gofuse.ReadIn, out *gofuse.DirEntryList) gofuse.Status {
	return b.list(in, true, func(e *fop.Dirent) bool {
		entry := out.AddDirLookupEntry(gofuse.DirEntry{Name: e.Name, Ino: b.ino(e.Iatt.GFID), Mode: e.Iatt.Type.ModeBits(), Off: e.Off})
		if entry == nil {
			return false
		}
		// Node id 0 says nothing about the inode: for "." and "..", and where the
		// attributes are not known.
		if e.Iatt.Nlink > 0 && e.Off != afterDot && e.Off != afterDotDot {
			b.entryOut(&e.Iatt, 0, entry)
		}
		return true
	})
}

// list gives add the entries from in.Offset on until it has no more room.
func (b *Bridge) list(in *gofuse.ReadIn, plus bool, add func(*fop.Dirent) bool) gofuse.Status {
	h := b.dirs.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	off := in.Offset
	dot := fop.Dirent{Name: ".", Off: afterDot, Iatt: fop.Iatt{GFID: h.node.gfid, Type: fop.TypeDir}}
	if off == 0 {
		if !add(&dot) {
			return gofuse.OK
		}
		off = afterDot
	}
	if off == afterDot {
		dot.Name, dot.Off = "..", afterDotDot
		if !add(&dot) {
			return gofuse.OK
		}
		off = afterDotDot
	}
	if off == afterDotDot {
		off = 0
	}
	// Too old is only what an earlier call left: whatever the timeout, and however slow
	// the bricks, what this call fetches is given.
	if off != h.from || plus && !h.plus || h.fetched.IsZero() || time.Since(h.fetched) > b.opts.AttrTimeout {
		h.entries, h.eof = nil, false
	}
	for added := false; ; {
		if len(h.entries) == 0 {
			if h.eof {
				return gofuse.OK
			}
			if added {
				return gofuse.OK // rather a short answer now than a wait
			}
			if err := h.fetch(b, in, off, plus); err != nil {
				return status(err)
			}
			continue
		}
		e := &h.entries[0]
		if !add(e) {
			return gofuse.OK
		}
		added = true
		off = e.Off
		h.from, h.entries = off, h.entries[1:]
	}
}

// fetch asks for the entries from off on.
func (h *dirHandle) fetch(b *Bridge, in *gofuse.ReadIn, off uint64, plus bool) error {
	r, err := h.dir.Readdirp(background, &fop.ReaddirpReq{Req: b.req(&in.InHeader), Off: off, Size: readdirSize, Plus: plus})
	if err != nil {
		return err
	}
	h.entries, h.from, h.eof, h.plus, h.fetched = r.Entries, off, r.EOF || len(r.Entries) == 0, plus, time.Now()
	return nil
}

// ReleaseDir closes a directory.
func (b *Bridge) ReleaseDir(in *gofuse.ReleaseIn) {
	if h, ok := b.dirs.remove(in.Fh); ok {
		h.dir.Close()
	}
}

// FsyncDir makes a directory durable.
func (b *Bridge) FsyncDir(_ <-chan struct{}, in *gofuse.FsyncIn) gofuse.Status {
	h := b.dirs.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	_, err := h.dir.Fsync(background, &fop.FsyncReq{Req: b.req(&in.InHeader), Datasync: in.FsyncFlags&1 != 0})
	return status(err)
}
