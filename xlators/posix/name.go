package posix

import (
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

const (
	dotName    = ".glusterfs"
	anonPrefix = ".glusterfs-anonymous-inode-"
)

// checkName refuses what is not a base name. EINVAL; ENAMETOOLONG over 255 bytes.
func checkName(name string) error {
	switch {
	case len(name) > 255:
		return syscall.ENAMETOOLONG
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return syscall.EINVAL
	}
	return nil
}

// hidden reports whether name in the directory g is the brick's own: .glusterfs, or the
// directory where AFR's healing parks inodes, which only internal actors may use.
func hidden(g fop.GFID, name string, c *fop.Caller) bool {
	if g != fop.RootGFID || len(name) < len(dotName) || name[:len(dotName)] != dotName {
		return false
	}
	if name == dotName {
		return true
	}
	return strings.HasPrefix(name, anonPrefix) && (c == nil || c.PID >= 0)
}

// checkEntry is checkName, and EPERM for a hidden name.
func checkEntry(g fop.GFID, name string, c *fop.Caller) error {
	if err := checkName(name); err != nil {
		return err
	}
	if hidden(g, name, c) {
		return syscall.EPERM
	}
	return nil
}
