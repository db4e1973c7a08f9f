package posix

import (
	"encoding/binary"
	"syscall"
)

// A POSIX ACL in an xattr: version 2 (LE32), then entries of tag (LE16), permissions
// (LE16) and id (LE32).
const (
	aclHeader = 4
	aclEntry  = 8

	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20

	xattrACLAccess  = "system.posix_acl_access"
	xattrACLDefault = "system.posix_acl_default"
)

// inheritACL computes, as the kernel would, the permission bits and the access ACL of
// an object that is created with mode in a directory with the default ACL def. It is
// done here because objects are made in .glusterfs and only then linked into their
// directory. access is nil if the mode says it all. EIO: def is malformed.
func inheritACL(def []byte, mode uint32) (newMode uint32, access []byte, err error) {
	if len(def) < aclHeader || (len(def)-aclHeader)%aclEntry != 0 || binary.LittleEndian.Uint32(def) != 2 {
		return 0, nil, syscall.EIO
	}
	access = append([]byte(nil), def...)
	var userObj, groupObj, mask, other []byte // the permission fields
	extended := false
	for e := access[aclHeader:]; len(e) > 0; e = e[aclEntry:] {
		perm := e[2:4]
		switch binary.LittleEndian.Uint16(e) {
		case aclUserObj:
			userObj = perm
		case aclGroupObj:
			groupObj = perm
		case aclMask:
			mask, extended = perm, true
		case aclOther:
			other = perm
		case aclUser, aclGroup:
			extended = true
		default:
			return 0, nil, syscall.EIO
		}
	}
	if userObj == nil || groupObj == nil || other == nil {
		return 0, nil, syscall.EIO
	}
	group := groupObj
	if mask != nil {
		group = mask
	}
	restrict := func(perm []byte, bits uint32) uint32 {
		p := uint32(binary.LittleEndian.Uint16(perm)) & bits & 7
		binary.LittleEndian.PutUint16(perm, uint16(p))
		return p
	}
	newMode = mode &^ 0777
	newMode |= restrict(userObj, mode>>6) << 6
	newMode |= restrict(group, mode>>3) << 3
	newMode |= restrict(other, mode)
	if !extended {
		access = nil
	}
	return newMode, access, nil
}
