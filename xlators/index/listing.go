package index

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Opendir answers for the directories of fop that list what may need healing.
func (x *Index) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	var l listing
	switch q.GFID {
	case fop.IndexPending:
		l.open = dotOf(x.sets[Pending].base.dir)
	case fop.IndexDirty:
		l.open = dotOf(x.sets[Dirty].base.dir)
	case fop.IndexEntries:
		l.open = dotOf(x.entries.base.dir)
	default:
		r, err := x.Child.Opendir(ctx, q)
		if fop.Errno(err) != unix.ESTALE {
			return r, err
		}
		l.open, l.names = func() (int, error) { return x.entries.open(fop.IndexNames(q.GFID)) }, true
		fd, e := l.open()
		if e != nil {
			return nil, err
		}
		unix.Close(fd)
	}
	return &xlator.OpendirReply{Dir: &l, Iatt: fop.Iatt{GFID: q.GFID, Type: fop.TypeDir, Mode: 0600, Nlink: 2}}, nil
}

func dotOf(dir int) func() (int, error) {
	return func() (int, error) { return unix.Openat(dir, ".", dirFlags, 0) }
}

// open opens the directory of the names recorded for g.
func (e *entrySet) open(g fop.GFID) (int, error) {
	return unix.Openat(e.base.dir, g.String(), dirFlags, 0)
}

// A listing is one of these directories, open. It keeps no descriptor: a client may have
// it open for long.
type listing struct {
	open  func() (int, error)
	names bool // of entries, not of inodes
}

// Readdirp implements xlator.Dir. What was healed meanwhile may be missing; what is there
// all the time is listed.
func (l *listing) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	fd, err := l.open()
	if err == unix.ENOENT {
		return &fop.ReaddirpReply{EOF: true}, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if _, err := unix.Seek(fd, int64(q.Off), 0); err != nil {
		return nil, err
	}
	r := &fop.ReaddirpReply{}
	size := 0
	next, err := readNames(fd, func(name string, off uint64) bool {
		d := fop.Dirent{Name: name, Off: off, Iatt: fop.Iatt{Type: fop.TypeReg}}
		if !l.names {
			var err error
			if d.Iatt.GFID, err = fop.ParseGFID(name); err != nil {
				return true // a base file
			}
		}
		r.Entries = append(r.Entries, d)
		size += len(name) + 64
		return size < q.Size && ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	r.EOF = next == 0
	return r, err
}

// Fsync implements xlator.Dir.
func (l *listing) Fsync(context.Context, *fop.FsyncReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

// Close implements xlator.Dir.
func (l *listing) Close() error { return nil }
