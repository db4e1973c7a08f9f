package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile"
)

// healKeepBoth ends a file's split-brain in favour of one brick, after the other versions
// were copied beside it. It works as a person at a mount would: it mounts the volume where
// nobody sees it, and chooses, copies and decides by extended attributes.
func (c *cli) healKeepBoth(ctx context.Context, vol, brick, file string) (err error) {
	text, err := c.conn.Volfile(ctx, vol)
	if err != nil {
		return c.healFailed(err)
	}
	g, err := volfile.Parse(text)
	if err != nil {
		return fmt.Errorf("the volfile of %s cannot be read: %w", vol, err)
	}
	source := clientOf(g, brick)
	if source == "" {
		return c.healFailed(&mgmt.Error{Code: mgmt.CodeInternal, Message: fmt.Sprintf("%s is not a brick of volume %s", brick, vol)})
	}
	mnt, umount, err := mountPrivately(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, umount()) }()
	s := &splitFile{path: filepath.Join(mnt, filepath.Clean("/"+file)), name: file}
	if err := s.begin(source); err != nil {
		return c.healFailed(&mgmt.Error{Code: mgmt.CodeInternal, Message: err.Error()})
	}
	kept, err := s.keepOthers(source)
	if err == nil {
		err = s.set("heal-finalize", source)
	}
	if err != nil {
		return c.healFailed(&mgmt.Error{Code: mgmt.CodeInternal, Message: fmt.Sprintf("%s stays in split-brain: %v", file, err)})
	}
	if c.json {
		return c.printJSON(map[string]any{"file": file, "source": brick, "kept": kept}, nil)
	}
	fmt.Fprintf(c.stdout, "Healed %s from %s.\n", file, brick)
	for _, k := range kept {
		fmt.Fprintf(c.stdout, "The other version is kept as %s.\n", k)
	}
	return nil
}

// clientOf returns the name of the client translator of a brick, "" if there is none.
func clientOf(g *volfile.Graph, brick string) string {
	for _, n := range g.Nodes {
		host, _ := n.Get("remote-host")
		dir, _ := n.Get("remote-subvolume")
		if n.Type == "protocol/client" && host+":"+dir == brick {
			return n.Name
		}
	}
	return ""
}

// mountPrivately mounts the volume of a volfile in a new directory that only root can enter.
func mountPrivately(ctx context.Context, text string) (dir string, umount func() error, err error) {
	exe, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	top, err := os.MkdirTemp("", "gofs-split")
	if err != nil {
		return "", nil, err
	}
	vol, mnt := filepath.Join(top, "volfile"), filepath.Join(top, "mnt")
	err = errors.Join(os.WriteFile(vol, []byte(text), 0o600), os.Mkdir(mnt, 0o700))
	if err == nil {
		var out []byte
		if out, err = exec.CommandContext(ctx, exe, "mount", "-o", "log-file="+filepath.Join(top, "log"), vol, mnt).CombinedOutput(); err != nil {
			err = fmt.Errorf("cannot mount the volume to look at the file: %w: %s", err, strings.TrimSpace(string(out)))
		}
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(top))
	}
	return mnt, func() error {
		if err := syscall.Unmount(mnt, 0); err != nil {
			return fmt.Errorf("cannot unmount %s: %w", mnt, err)
		}
		return os.RemoveAll(top)
	}, nil
}

// splitFile is a file in split-brain, in a mount.
type splitFile struct {
	path    string
	name    string // in the volume, as the user gave it
	choices []string
}

const splitAttr = "replica.split-brain-"

func (s *splitFile) set(what, value string) error {
	if err := unix.Setxattr(s.path, splitAttr+what, []byte(value), 0); err != nil {
		return fmt.Errorf("%s %s: %w", splitAttr+what, value, err)
	}
	return nil
}

// begin finds out what there is to choose from.
func (s *splitFile) begin(source string) error {
	st, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("Lookup failed on %s:No such file or directory.", s.name)
	case err != nil:
		return fmt.Errorf("Lookup failed on %s:%w.", s.name, err)
	case !st.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: only a file's versions can be kept; see source-brick", s.name)
	}
	buf := make([]byte, 64<<10)
	n, err := unix.Getxattr(s.path, splitAttr+"status", buf)
	if err != nil {
		return fmt.Errorf("%s: cannot ask whether it is in split-brain: %w", s.name, err)
	}
	_, list, found := strings.Cut(string(buf[:n]), "Choices:")
	if !found {
		return fmt.Errorf("File %s not in split-brain", s.name)
	}
	s.choices = strings.Split(list, ",")
	if !slices.Contains(s.choices, source) {
		return fmt.Errorf("%s: the brick has no version to choose; others have: %s", s.name, list)
	}
	return nil
}

// keepOthers copies all versions but source's beside the file, and returns their names.
func (s *splitFile) keepOthers(source string) (kept []string, err error) {
	for _, choice := range s.choices {
		if choice == source {
			continue
		}
		if err := s.set("choice", choice); err != nil {
			return kept, err
		}
		if err := copyBeside(s.path, s.path+"."+choice); err != nil {
			return kept, err
		}
		kept = append(kept, s.name+"."+choice)
	}
	return kept, s.set("choice", "none")
}

// copyBeside copies a file, with its owner and permissions, to a name that is not there yet.
// What is not whole is removed.
func copyBeside(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	sys := st.Sys().(*syscall.Stat_t)
	err = errors.Join(err, out.Chown(int(sys.Uid), int(sys.Gid)), out.Chmod(st.Mode().Perm()), out.Sync(), out.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(to))
	}
	return err
}
