// Package brickid tells which brick of its volume a directory is.
//
// All bricks of a volume have the same volume-id, and in a replica set the same files, so
// that nothing else tells two of them apart whose disks were exchanged; the marks that bricks
// keep of one another would then say of one what is true of the other.
//
// The answer is in the file .glusterfs/gofs-brick. It is a file because GlusterFS looks at none
// that it does not know there, but copies a root's xattrs from brick to brick when it heals;
// and it is on the disk because there it goes where the disk goes. A brick that has none,
// GlusterFS's, gets one when it first serves.
package brickid

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// File is its name in .glusterfs.
const File = "gofs-brick"

// longest is longer than any.
const longest = 512

// Read returns which brick a directory is; "": it was never said.
func Read(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, ".glusterfs", File))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read which brick %s is: %w", dir, err)
	}
	defer f.Close()
	text := make([]byte, longest)
	n, err := f.Read(text)
	if n == 0 && err != nil {
		return "", fmt.Errorf("read which brick %s is: %w", dir, err)
	}
	return strings.TrimSpace(string(text[:n])), nil
}

// Write records, durably, which brick a directory is. Its .glusterfs must exist. "": it
// is nobody's any more.
func Write(dir, id string) error {
	dot := filepath.Join(dir, ".glusterfs")
	path := filepath.Join(dot, File)
	var err error
	if id != "" {
		err = Replace(path, id+"\n")
	} else if err = os.Remove(path); err == nil {
		err = SyncDir(dot)
	}
	if err != nil {
		return fmt.Errorf("record which brick %s is: %w", dir, err)
	}
	return nil
}

// Replace makes text the content of a file, in one step, and on the disk when it returns.
func Replace(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir puts a directory, its names and attributes, on the disk.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
