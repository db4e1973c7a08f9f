// Package arbiter keeps a replica's names and attributes, but not its data.
//
// It lets two data bricks break ties: it takes part in locks, marks, names and metadata.
// Every regular file beneath it stays empty. As in GlusterFS, what it is told to write
// changes nothing on the brick, so that a file's mtime there stays that of its last
// change of attributes.
//
// Intercepts: Lookup and Mknod with content, Create, Open, Truncate; on files everything that reads or changes data.
//
// Volfile:
//
//	volume v-arbiter
//	    type features/arbiter
//	    subvolumes v-posix
//	end-volume
package arbiter

import (
	"context"
	"fmt"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var (
	_ xlator.Xlator = (*arbiter)(nil)
	_ xlator.File   = (*file)(nil)
)

type arbiter struct{ xlator.Pass }

// New makes an arbiter over one subvolume.
func New(env xlator.Env, _ xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("features/arbiter %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	return &arbiter{xlator.Pass{Child: subvols[0]}}, nil
}

// Create implements xlator.Entries.
func (a *arbiter) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	r, err := a.Child.Create(ctx, q)
	if err != nil {
		return nil, err
	}
	r.File = &file{xlator.PassFile{Child: r.File}, a, q.GFID}
	return r, nil
}

// Lookup implements xlator.Entries. There is no content to answer with.
func (a *arbiter) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	if q.Content == 0 {
		return a.Child.Lookup(ctx, q)
	}
	p := *q
	p.Content = 0
	return a.Child.Lookup(ctx, &p)
}

// Mknod implements xlator.Entries.
func (a *arbiter) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	if q.Copy == nil || len(q.Copy.Content) == 0 {
		return a.Child.Mknod(ctx, q)
	}
	p, c := *q, *q.Copy
	c.Content = nil
	p.Copy = &c
	return a.Child.Mknod(ctx, &p)
}

// Open implements xlator.Inodes. There is no content to answer with, and O_TRUNC would
// change times.
func (a *arbiter) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	p := *q
	p.Flags &^= syscall.O_TRUNC
	p.Content = 0
	r, err := a.Child.Open(ctx, &p)
	if err != nil {
		return nil, err
	}
	r.File = &file{xlator.PassFile{Child: r.File}, a, q.GFID}
	return r, nil
}

// Truncate implements xlator.Inodes: nothing happens.
func (a *arbiter) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	r, err := a.Child.Stat(ctx, &fop.StatReq{Req: q.Req, GFID: q.GFID})
	if err != nil {
		return nil, err
	}
	switch r.Iatt.Type {
	case fop.TypeReg:
	case fop.TypeDir:
		return nil, syscall.EISDIR
	default:
		return nil, syscall.EINVAL
	}
	return &fop.InodeReply{Pre: r.Iatt, Post: r.Iatt}, nil
}

// file is an open file without data.
type file struct {
	xlator.PassFile
	a    *arbiter
	gfid fop.GFID
}

// same answers a change of data with the attributes as they are.
func (f *file) same(ctx context.Context, q fop.Req) (fop.Iatt, error) {
	r, err := f.a.Child.Stat(ctx, &fop.StatReq{Req: q, GFID: f.gfid})
	if err != nil {
		return fop.Iatt{}, err
	}
	return r.Iatt, nil
}

// Readv implements xlator.File. ENOSYS: whoever reads from an arbiter is mistaken, and
// must not take its empty file for the truth.
func (f *file) Readv(context.Context, *fop.ReadvReq) (*fop.ReadvReply, error) {
	return nil, syscall.ENOSYS
}

// Writev implements xlator.File: nothing happens.
func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	a, err := f.same(ctx, q.Req)
	if err != nil {
		return nil, err
	}
	return &fop.WritevReply{N: len(q.Data), Pre: a, Post: a}, nil
}

// Fallocate implements xlator.File: nothing happens.
func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	a, err := f.same(ctx, q.Req)
	if err != nil {
		return nil, err
	}
	return &fop.InodeReply{Pre: a, Post: a}, nil
}

// Seek implements xlator.File: ENOSYS, as Readv.
func (f *file) Seek(context.Context, *fop.SeekReq) (*fop.SeekReply, error) {
	return nil, syscall.ENOSYS
}

// Rchecksum implements xlator.File: ENOSYS, as Readv.
func (f *file) Rchecksum(context.Context, *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return nil, syscall.ENOSYS
}

// CopyFileRange implements xlator.File: nothing happens. EXDEV: dst is not a File of this
// arbiter.
func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	to, ok := dst.(*file)
	if !ok || to.a != f.a {
		return nil, syscall.EXDEV
	}
	a, err := to.same(ctx, q.Req)
	if err != nil {
		return nil, err
	}
	return &fop.CopyRangeReply{N: q.Len, Pre: a, Post: a}, nil
}
