package heald

import (
	"context"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// marked is a brick with the marks of one inode.
type marked struct {
	xlator.Xlator
	xattrs []fop.Xattr
	ops    []fop.Xattr
}

func (m *marked) Getxattr(context.Context, *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return &fop.GetxattrReply{Xattrs: m.xattrs}, nil
}

func (m *marked) Xattrop(_ context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	m.ops = append(m.ops, q.Deltas...)
	return &fop.XattropReply{}, nil
}

// Only what is held against bricks that the volume has no more is taken back.
func TestForgetGone(t *testing.T) {
	m := &marked{xattrs: []fop.Xattr{
		{Name: "trusted.afr.v-client-1", Value: []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
		{Name: "trusted.afr.v-client-2", Value: []byte{0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1}},
		{Name: "trusted.afr.v-client-3", Value: make([]byte, 12)},
		{Name: "trusted.afr.v-client-4", Value: []byte("rubbish")},
		{Name: "trusted.afr.v-client-22", Value: []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
	}}
	s := &set{children: []xlator.Xlator{m}, gone: []string{"trusted.afr.v-client-2", "trusted.afr.v-client-3", "trusted.afr.v-client-4", "trusted.afr.v-client-5"}}
	if err := s.forgetGone(t.Context(), 0, fop.RootGFID); err != nil {
		t.Fatal(err)
	}
	if len(m.ops) != 1 || m.ops[0].Name != "trusted.afr.v-client-2" || string(m.ops[0].Value) != "\xff\xff\xff\xfd\x00\x00\x00\x00\xff\xff\xff\xff" {
		t.Errorf("added was %v", m.ops)
	}
}
