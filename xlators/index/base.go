package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// base is the empty file that the links of one directory are made to: <prefix><uuid>,
// made when it is first needed, and anew under another uuid when it can take no more
// links. Calls are serialized by the owner's lock.
type base struct {
	dir    int // open
	prefix string
	uuid   string
	made   bool
}

// open opens the directory, made if need be, and removes bases of earlier processes that
// have no links.
func (b *base) open(path, prefix, uuid string) (err error) {
	b.prefix, b.uuid = prefix, uuid
	if err := makeDir(path); err != nil {
		return err
	}
	if b.dir, err = unix.Open(path, dirFlags, 0); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	var unused []string
	err = b.each(func(name string) {
		var st unix.Stat_t
		if strings.HasPrefix(name, prefix) && unix.Fstatat(b.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
			st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1 {
			unused = append(unused, name)
		}
	})
	for _, name := range unused {
		_ = unix.Unlinkat(b.dir, name, 0) // the next start tries again
	}
	if err != nil {
		unix.Close(b.dir)
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// link makes name in the directory at a link to the base. EEXIST: it is there.
func (b *base) link(at int, name string) error {
	for range 3 {
		if !b.made {
			fd, err := unix.Openat(b.dir, b.prefix+b.uuid, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0)
			if err != nil && err != unix.EEXIST {
				return err
			}
			if err == nil {
				unix.Close(fd)
			}
			b.made = true
		}
		err := unix.Linkat(b.dir, b.prefix+b.uuid, at, name, 0)
		switch err {
		case unix.EMLINK:
			b.uuid, b.made = fop.NewGFID().String(), false
		case unix.ENOENT: // somebody tidied up
			b.made = false
		default:
			return err
		}
	}
	return unix.EMLINK
}

// each calls f with each name in the directory.
func (b *base) each(f func(name string)) error {
	fd, err := unix.Openat(b.dir, ".", dirFlags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = readNames(fd, func(name string, _ uint64) bool {
		f(name)
		return true
	})
	return err
}

// readNames calls f with the names in the directory fd from its position on, without "."
// and "..", and the position of what follows each, until f says false. next is the
// position of what follows, 0 at the end.
//
// A record of getdents64(2): inode (8 bytes), offset of the next (8), length of this (2),
// type (1), name, NUL; in native byte order.
func readNames(fd int, f func(name string, off uint64) bool) (next uint64, err error) {
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil || n == 0 {
			return 0, err
		}
		for b := buf[:n]; len(b) > 0; {
			size := binary.NativeEndian.Uint16(b[16:])
			off := binary.NativeEndian.Uint64(b[8:])
			name, _, _ := bytes.Cut(b[19:size], []byte{0})
			b = b[size:]
			if s := string(name); s != "." && s != ".." && !f(s, off) {
				return off, nil
			}
		}
	}
}
