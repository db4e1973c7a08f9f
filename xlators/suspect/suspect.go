// Package suspect keeps a brick apart that may have forgotten something: its machine lost
// power, and what was not on the disk is gone, marks and all. The other bricks know, by
// their dirty marks, in which inodes that may be. Until a healer has told them to blame
// this brick for these (heal.Vouch) it must not be asked: it would give old answers with
// a clean face, and a quorum with it would know less than was acknowledged.
//
// Intercepts: Getxattr and Removexattr of fop.SuspectXattr on the root. Who lets clients in
// must ask Is, and let in only healers meanwhile; nothing is refused here.
//
// Volfile: none; the brick process puts it on top of its graph.
package suspect

import (
	"context"
	"sync"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Suspect is the translator. Its methods are safe for concurrent use.
type Suspect struct {
	xlator.Pass
	cleared func() error

	mu sync.Mutex
	is bool // guarded by mu, and so are calls of cleared
}

// Over makes the translator over child. cleared is called, once, when the brick is not
// suspect any more; if it fails it still is.
func Over(child xlator.Xlator, is bool, cleared func() error) *Suspect {
	return &Suspect{Pass: xlator.Pass{Child: child}, is: is, cleared: cleared}
}

// Is reports whether the brick is suspect.
func (s *Suspect) Is() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is
}

// Getxattr answers fop.SuspectXattr: "1" if the brick is suspect, else "0".
func (s *Suspect) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name != fop.SuspectXattr || !q.Internal {
		return s.Child.Getxattr(ctx, q)
	}
	v := "0"
	if s.Is() {
		v = "1"
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(v)}}}, nil
}

// Removexattr of fop.SuspectXattr ends that the brick is suspect.
func (s *Suspect) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	if len(q.Names) != 1 || q.Names[0] != fop.SuspectXattr || !q.Internal {
		return s.Child.Removexattr(ctx, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is {
		if err := s.cleared(); err != nil {
			return nil, err
		}
	}
	s.is = false
	return &fop.InodeReply{}, nil
}
