// Package copies tells from outside whether the bricks of a replica set agree.
package copies

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Brick is the directory of one copy.
type Brick struct {
	Dir     string
	Arbiter bool // stores names and attributes, no data
}

// Marks are the counters of a changelog xattr: data, metadata, entry.
type Marks [3]uint32

// Zero tells whether nothing is marked.
func (m Marks) Zero() bool { return m == Marks{} }

// ReadMarks returns the counters that a file has under name, zero if it has none.
func ReadMarks(path, name string) Marks {
	var m Marks
	if v := Xattr(path, name); len(v) == 12 {
		for i := range m {
			m[i] = binary.BigEndian.Uint32(v[4*i:])
		}
	}
	return m
}

// Xattr returns an extended attribute, nil if there is none.
func Xattr(path, name string) []byte {
	buf := make([]byte, 64<<10)
	n, err := unix.Lgetxattr(path, name, buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// XattrNames lists the extended attributes of a file, sorted.
func XattrNames(path string) []string {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil
	}
	names := strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	return names
}

// Walk calls f for everything on a brick that users made, and for its root.
func Walk(brick string, f func(rel string, d fs.DirEntry)) error {
	return filepath.WalkDir(brick, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(brick, p)
		if rel == ".glusterfs" {
			return fs.SkipDir
		}
		f(rel, d)
		return nil
	})
}

// Differ says in what the bricks of one replica set, at rest, are not as they should be: the
// copies differ, or something is marked. Contents are compared only if deep.
func Differ(set []Brick, deep bool) error {
	var errs []error
	sizes := !slices.ContainsFunc(set, func(b Brick) bool { return b.Arbiter })
	var trees []map[string]string
	for _, b := range set {
		tree, err := describe(b, sizes)
		errs = append(errs, err)
		trees = append(trees, tree)
	}
	for i, tree := range trees[1:] {
		if d := Differences(trees[0], tree); d != "" {
			errs = append(errs, fmt.Errorf("%s and %s: %s", set[0].Dir, set[i+1].Dir, d))
		}
	}
	if deep {
		errs = append(errs, contentsDiffer(set))
	}
	return errors.Join(errs...)
}

// describe tells all that is on a brick, and of marks. sizes: also how long files are.
func describe(b Brick, sizes bool) (map[string]string, error) {
	out := map[string]string{}
	var errs []error
	err := Walk(b.Dir, func(rel string, d fs.DirEntry) {
		text, err := describeOne(b, rel, sizes)
		out[rel] = text
		errs = append(errs, err)
	})
	errs = append(errs, err)
	for _, kind := range []string{"xattrop", "dirty", "entry-changes"} {
		found, _ := os.ReadDir(filepath.Join(b.Dir, ".glusterfs/indices", kind))
		for _, e := range found {
			if !strings.HasPrefix(e.Name(), kind+"-") {
				errs = append(errs, fmt.Errorf("%s: indices/%s has %s", b.Dir, kind, e.Name()))
			}
		}
	}
	return out, errors.Join(errs...)
}

// agreed are the extended attributes that all copies must have alike. Users' own are, too.
var agreed = []string{"trusted.gfid", "trusted.gfid2path.", "trusted.glusterfs.dht", "trusted.glusterfs.volume-id"}

func describeOne(b Brick, rel string, sizes bool) (string, error) {
	p := filepath.Join(b.Dir, rel)
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return "", err
	}
	s := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
	case unix.S_IFLNK:
		to, _ := os.Readlink(p)
		s += fmt.Sprintf(" links %d to %q", st.Nlink, to)
	case unix.S_IFREG:
		s += fmt.Sprintf(" links %d", st.Nlink)
		if sizes {
			s += fmt.Sprintf(" size %d", st.Size)
		}
	default:
		s += fmt.Sprintf(" links %d dev %x", st.Nlink, st.Rdev)
	}
	var errs []error
	for _, n := range XattrNames(p) {
		if strings.HasPrefix(n, "trusted.afr.") && !ReadMarks(p, n).Zero() {
			errs = append(errs, fmt.Errorf("%s: %s has %s=%v", b.Dir, rel, n, ReadMarks(p, n)))
		}
		own := strings.HasPrefix(n, "user.") || strings.HasPrefix(n, "security.") || strings.HasPrefix(n, "system.")
		if own || slices.ContainsFunc(agreed, func(a string) bool { return strings.HasPrefix(n, a) }) {
			s += fmt.Sprintf(" %s=%x", n, Xattr(p, n))
		}
	}
	return s, errors.Join(errs...)
}

// Differences tells the first few of two descriptions.
func Differences(a, b map[string]string) string {
	var out []string
	for n, s := range a {
		if t, ok := b[n]; !ok {
			out = append(out, fmt.Sprintf("only the first has %q (%s)", n, s))
		} else if s != t {
			out = append(out, fmt.Sprintf("%q is %s and %s", n, s, t))
		}
	}
	for n, s := range b {
		if _, ok := a[n]; !ok {
			out = append(out, fmt.Sprintf("only the second has %q (%s)", n, s))
		}
	}
	slices.Sort(out)
	if len(out) > 6 {
		out = append(out[:6], fmt.Sprintf("and %d more", len(out)-6))
	}
	return strings.Join(out, "; ")
}

// contentsDiffer compares the contents of all files that the data bricks store.
func contentsDiffer(set []Brick) error {
	data := slices.DeleteFunc(slices.Clone(set), func(b Brick) bool { return b.Arbiter })
	var errs []error
	err := Walk(data[0].Dir, func(rel string, d fs.DirEntry) {
		if !d.Type().IsRegular() {
			return
		}
		first, err := sum(filepath.Join(data[0].Dir, rel))
		errs = append(errs, err)
		for _, b := range data[1:] {
			other, err := sum(filepath.Join(b.Dir, rel))
			if errs = append(errs, err); err == nil && other != first {
				errs = append(errs, fmt.Errorf("the content of %s differs on %s and %s", rel, data[0].Dir, b.Dir))
			}
		}
	})
	return errors.Join(append(errs, err)...)
}

func sum(path string) (out [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [32]byte(h.Sum(nil)), err
}

// Accusations counts the inodes in a brick's index that accuse another brick: what is left
// to be healed from it. Changes under way, which are only marked as dirty, are not counted.
func Accusations(brick string) (n int) {
	found, _ := os.ReadDir(filepath.Join(brick, ".glusterfs/indices/xattrop"))
	for _, e := range found {
		id := e.Name()
		if len(id) != 36 {
			continue
		}
		p := inode(brick, id)
		accuses := func(name string) bool {
			return strings.HasPrefix(name, "trusted.afr.") && name != "trusted.afr.dirty" && !ReadMarks(p, name).Zero()
		}
		if slices.ContainsFunc(XattrNames(p), accuses) {
			n++
		}
	}
	return n
}

// inode is the path of an inode on a brick. The handle of a directory is a symbolic link
// to its name; that of a file is a hard link, also if the file is a symbolic link itself.
func inode(brick, gfid string) string {
	handle := filepath.Join(brick, ".glusterfs", gfid[:2], gfid[2:4], gfid)
	if dir, err := filepath.EvalSymlinks(handle); err == nil && Xattr(handle, "trusted.gfid") == nil {
		return dir
	}
	return handle
}
