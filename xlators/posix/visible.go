package posix

import (
	"strings"
	"syscall"
)

// Which xattrs a client may see and set: GlusterFS's table (disk-format 7.7). An
// internal name is one that some translator keeps its state in.

// internalName reports whether name is hidden from clients.
func internalName(name string) bool {
	rest, ok := strings.CutPrefix(name, "trusted.")
	if !ok {
		return strings.HasPrefix(name, "glusterfs.")
	}
	switch {
	case rest == "gfid":
		return true
	case rest == "SGI_ACL_FILE", rest == "SGI_ACL_DEFAULT": // XFS's shadows of the ACLs
		return true
	}
	for _, p := range [...]string{"gfid2path.", "glusterfs.", "afr.", "ec.", "pgfid.", "bit-rot."} {
		if strings.HasPrefix(rest, p) {
			return true
		}
	}
	return strings.Contains(rest, ".glusterfs.") // *.glusterfs.<uuid>.xtime and its like
}

// clientName reports whether name may be on an inode, for clients to see.
func clientName(name string) bool {
	for _, p := range [...]string{"user.", "security.", "trusted.", "system.posix_acl_"} {
		if strings.HasPrefix(name, p) {
			return !internalName(name)
		}
	}
	return false
}

// getErr is how a client's getxattr of an internal name fails.
func getErr(name string) error {
	if name == "trusted.glusterfs.dht" || strings.HasPrefix(name, "trusted.glusterfs.dht.") {
		return syscall.EOPNOTSUPP
	}
	return syscall.ENODATA
}

// setErr is how a client's setxattr or removexattr of an internal name fails.
func setErr(name string) error {
	if strings.HasPrefix(name, prefixPath) {
		return syscall.EOPNOTSUPP
	}
	return syscall.EPERM
}

// cachedName reports whether the inode table keeps values of name: the small state that
// translators ask for with each lookup and change with xattrops.
func cachedName(name string) bool {
	rest, ok := strings.CutPrefix(name, "trusted.")
	return ok && (strings.HasPrefix(rest, "afr.") || strings.HasPrefix(rest, "ec.") ||
		strings.HasPrefix(rest, "glusterfs.dht") || strings.HasPrefix(rest, "glusterfs.shard."))
}
