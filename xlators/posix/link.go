package posix

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// maxPaths is how many names of an inode are recorded as gfid2path.
const maxPaths = 500

// Link implements xlator.Entries. EPERM: the inode is a directory.
func (b *brick) Link(_ context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	p, err := b.getDir(q.Parent)
	if err != nil {
		return nil, err
	}
	defer b.put(p)
	if err := checkEntry(q.Parent, q.Name, q.Caller); err != nil {
		return nil, err
	}
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	return b.link(in, p, q.Name, q.Caller)
}

// link gives in another name, also if its last one is gone and a File keeps it.
func (b *brick) link(in, p *inode, name string, c *fop.Caller) (*fop.EntryReply, error) {
	if in.typ == fop.TypeDir {
		return nil, syscall.EPERM
	}
	pre, err := b.before(p)
	if err != nil {
		return nil, err
	}
	if err := b.linkName(in, p, name); err != nil {
		return nil, staleDir(p, err)
	}
	t := now(c)
	return &fop.EntryReply{Iatt: b.after(in, timeC, t), PreDir: pre, PostDir: b.after(p, timeC|timeM, t)}, nil
}

func (b *brick) linkName(in, p *inode, name string) error {
	unlockName := b.names.lock(b.names.ofName(p.gfid, name))
	defer unlockName()
	unlock := b.gfids.lock(b.gfids.of(in.gfid))
	defer unlock()
	var st unix.Statx_t
	if err := b.stat(in, &st); err != nil {
		return err
	}
	if b.exists(p, name) {
		return syscall.EEXIST
	}
	if st.Nlink <= maxPaths+1 {
		b.addPath(in, p.gfid, name)
	}
	if err := unix.Linkat(b.dot, in.rel(), p.fd, name, 0); err != nil {
		b.delPath(in, p.gfid, name)
		return err
	}
	if in.parked.Load() {
		if err := unix.Renameat(b.parkDir, in.gfid.String(), b.dot, in.path[in.relAt:]); err != nil {
			return err
		}
		in.parked.Store(false)
	}
	return nil
}

// addPath records a name of in. That it can fail harms nobody but those who ask for
// paths.
func (b *brick) addPath(in *inode, parent fop.GFID, name string) {
	if !b.gfid2path {
		return
	}
	k, v := gfid2path(parent, name)
	if err := b.setx(in, k, v, 0); err != nil {
		b.log.Warn("a name is not recorded in gfid2path", "gfid", in.gfid, "parent", parent, "name", name, "error", err)
	}
}

// delPath forgets a name of in.
func (b *brick) delPath(in *inode, parent fop.GFID, name string) {
	if b.gfid2path {
		k, _ := gfid2path(parent, name)
		_ = b.removex(in, k) // most often it is not there, which is what is wanted
	}
}
