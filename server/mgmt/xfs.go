package mgmt

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// xfsGeometryV1 is the ioctl XFS_IOC_FSGEOMETRY_V1, whose answer is 112 bytes: numbers of
// 32 bits, the seventh of which is the size of an inode.
const xfsGeometryV1 = 0x80705864

// xfsInodeSize returns the size of an inode of the XFS that dir is on, 0 if it cannot be
// had.
func xfsInodeSize(dir string) int {
	f, err := os.Open(dir)
	if err != nil {
		return 0
	}
	defer f.Close()
	var geometry [28]uint32
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), xfsGeometryV1, uintptr(unsafe.Pointer(&geometry))); errno != 0 {
		return 0
	}
	return int(geometry[6])
}
