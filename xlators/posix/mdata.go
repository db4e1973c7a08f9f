package posix

import (
	"encoding/binary"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// mdataLen is the length of trusted.glusterfs.mdata: a version byte (1), flags (BE64,
// 0), then ctime, mtime and atime, each seconds and nanoseconds as BE64.
const mdataLen = 57

// mdata are the times of an inode as its clients gave them.
type mdata struct{ ctime, mtime, atime fop.Time }

// which times a fop changes.
type times uint8

const (
	timeC times = 1 << iota
	timeM
	timeA
)

func (m *mdata) encode() []byte {
	b := make([]byte, mdataLen)
	b[0] = 1
	for i, t := range [3]fop.Time{m.ctime, m.mtime, m.atime} {
		binary.BigEndian.PutUint64(b[9+16*i:], uint64(t.Sec))
		binary.BigEndian.PutUint64(b[17+16*i:], uint64(t.Nsec))
	}
	return b
}

// decodeMdata reads what encode wrote, and GlusterFS. A value that is too short, of
// another version or with impossible nanoseconds is as good as none.
func decodeMdata(b []byte) (m mdata, ok bool) {
	if len(b) < mdataLen || b[0] != 1 {
		return m, false
	}
	var ts [3]fop.Time
	for i := range ts {
		nsec := binary.BigEndian.Uint64(b[17+16*i:])
		if nsec >= uint64(time.Second) {
			return m, false
		}
		ts[i] = fop.Time{Sec: int64(binary.BigEndian.Uint64(b[9+16*i:])), Nsec: uint32(nsec)}
	}
	return mdata{ts[0], ts[1], ts[2]}, true
}

// merge moves the given times forward to t; none ever moves back. It reports whether
// any moved.
func (m *mdata) merge(which times, t fop.Time) bool {
	old := *m
	if which&timeC != 0 {
		m.ctime = m.ctime.Later(t)
	}
	if which&timeM != 0 {
		m.mtime = m.mtime.Later(t)
	}
	if which&timeA != 0 {
		m.atime = m.atime.Later(t)
	}
	return *m != old
}

// now is the time of a fop: the client's, so that replicas agree.
func now(c *fop.Caller) fop.Time {
	if c == nil || c.Time.IsZero() {
		return fop.TimeOf(time.Now())
	}
	return c.Time
}
