// Package locks keeps the lock tables of a brick: inodelk and entrylk, which
// translators take against each other, and the POSIX and flock locks of programs.
//
// All state is in memory and dies with the brick process; a client's locks die with
// its connection. An owner is (Caller.Client, LkOwner).
//
// Protocol additions to GlusterFS: a lock request may carry a Mark, applied by
// Xattrop below before the grant is answered; Create may carry a Lock; Release undoes
// marks and unlocks many inodes in one message. For that this translator stands above
// features/index, unlike in GlusterFS.
//
// Intercepts: Create, Open, Getxattr of fop.LockedXattr, Inodelk, Entrylk, Release, Disconnect; on files Lk, Flush,
// Close.
//
// Invariants: granted locks of one inode never conflict; a waiter is never kept
// waiting by a lock that is gone.
//
// Lock order: shard.mu only; it is never held across a call to the child or a watcher.
//
// Volfile:
//
//	volume v-locks
//	    type features/locks
//	    subvolumes v-index
//	end-volume
package locks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const shardCount = 64

type locks struct {
	xlator.Pass
	w      xlator.Watchers
	shards [shardCount]shard
}

// A shard holds the lock tables of the inodes whose GFID falls to it.
type shard struct {
	mu     sync.Mutex
	inodes map[fop.GFID]*inode // guarded by mu, with everything below it
}

// An inode has at least one lock or waiter, or it is not in the map.
type inode struct {
	gfid    fop.GFID
	granted []*lock
	waiting []*waiter // FIFO
	posix   posixTable
}

func (in *inode) idle() bool {
	return len(in.granted) == 0 && len(in.waiting) == 0 && in.posix.idle()
}

// New makes a locks translator over one subvolume.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("features/locks %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	l := &locks{Pass: xlator.Pass{Child: subvols[0]}}
	for i := range l.shards {
		l.shards[i].inodes = map[fop.GFID]*inode{}
	}
	return l, nil
}

func (l *locks) shard(g fop.GFID) *shard { return &l.shards[g[15]%shardCount] }

// get returns the inode's table, made if need be. The shard is locked.
func (s *shard) get(g fop.GFID) *inode {
	in := s.inodes[g]
	if in == nil {
		in = &inode{gfid: g}
		s.inodes[g] = in
	}
	return in
}

// put drops the table if nothing is in it. The shard is locked.
func (s *shard) put(in *inode) {
	if in.idle() {
		delete(s.inodes, in.gfid)
	}
}

// Watch adds f for contention events from here and all events from below.
func (l *locks) Watch(f func(xlator.Event)) {
	l.w.Add(f)
	l.Child.Watch(f)
}

// Create registers the lock before the child makes the inode: nobody can know the
// GFID yet, so it cannot conflict, and nobody can come in between.
func (l *locks) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	var held *lock
	if q.Lock != nil {
		held = &lock{domain: q.Lock.Domain, owner: owner{q.Caller.Client, q.Lock.Owner}, typ: fop.LkWrite, end: infinity}
		s := l.shard(q.GFID)
		s.mu.Lock()
		in := s.get(q.GFID)
		in.granted = append(in.granted, held)
		s.mu.Unlock()
	}
	r, err := l.Child.Create(ctx, q)
	if err != nil {
		if held != nil {
			l.drop(q.GFID, held)
		}
		return nil, err
	}
	r.File = &file{PassFile: xlator.PassFile{Child: r.File}, l: l, gfid: q.GFID}
	return r, nil
}

func (l *locks) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	r, err := l.Child.Open(ctx, q)
	if err != nil {
		return nil, err
	}
	r.File = &file{PassFile: xlator.PassFile{Child: r.File}, l: l, gfid: q.GFID}
	return r, nil
}

// Getxattr answers fop.LockedXattr.
func (l *locks) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name != fop.LockedXattr || !q.Internal {
		return l.Child.Getxattr(ctx, q)
	}
	s := l.shard(q.GFID)
	s.mu.Lock()
	in := s.inodes[q.GFID]
	locked := in != nil && (len(in.granted) > 0 || len(in.waiting) > 0)
	s.mu.Unlock()
	v := []byte("0")
	if locked {
		v = []byte("1")
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: v}}}, nil
}

// Inodelk locks a byte range.
func (l *locks) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	k := &lock{domain: q.Domain, owner: ownerOf(&q.Req, q.Owner), typ: q.Type, start: q.Start, end: infinity}
	if q.Len > 0 && q.Start+q.Len-1 >= q.Start {
		k.end = q.Start + q.Len - 1
	}
	return l.request(ctx, &q.Req, q.GFID, q.Cmd, k, q.Mark, q.Want)
}

// Entrylk locks a name, or all names of a directory.
func (l *locks) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	k := &lock{domain: q.Domain, owner: ownerOf(&q.Req, q.Owner), typ: fop.LkWrite, entry: true, name: q.Name}
	return l.request(ctx, &q.Req, q.GFID, q.Cmd, k, q.Mark, q.Want)
}

func ownerOf(q *fop.Req, lk fop.LkOwner) owner {
	if q.Caller == nil {
		return owner{0, lk}
	}
	return owner{q.Caller.Client, lk}
}

// Release makes durable and undoes marks below, then unlocks.
func (l *locks) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	r, err := l.Child.Release(ctx, q)
	for i := range q.Items {
		it := &q.Items[i]
		if it.NoUnlock {
			continue
		}
		k := &lock{domain: it.Domain, owner: ownerOf(&q.Req, it.Owner), typ: fop.LkWrite, entry: it.Entry, name: it.Name, end: infinity}
		if it.Entry {
			k.end = 0
		}
		// A lock that is not there went with an earlier connection; nothing is lost.
		_ = l.unlock(it.GFID, k)
	}
	return r, err
}

// Disconnect drops everything the client held or waited for.
func (l *locks) Disconnect(ctx context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, in := range s.inodes {
			in.dropClient(q.Client)
			in.grant()
			s.put(in)
		}
		s.mu.Unlock()
	}
	return l.Child.Disconnect(ctx, q)
}

func (in *inode) dropClient(client uint64) {
	kept := in.granted[:0]
	for _, k := range in.granted {
		if k.owner.client != client {
			kept = append(kept, k)
		}
	}
	clear(in.granted[len(kept):])
	in.granted = kept
	waiting := in.waiting[:0]
	for _, w := range in.waiting {
		if w.lock.owner.client != client {
			waiting = append(waiting, w)
		}
	}
	clear(in.waiting[len(waiting):])
	in.waiting = waiting
	in.posix.dropClient(client)
}

// renotify is how long a holder is left alone after it was told of contention.
const renotify = 100 * time.Millisecond
