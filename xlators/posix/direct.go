package posix

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// directAlign is an alignment of offset, length and memory that every disk's O_DIRECT
// takes.
const directAlign = 4096

// preadSome is pread(2), whatever the alignment. O_DIRECT I/O whose offset and length
// are aligned but whose memory is not goes through a buffer; if the offset or length is
// not, it goes through the page cache.
func (f *file) preadSome(buf []byte, off int64) (int, error) {
	if !f.direct {
		return unix.Pread(f.fd, buf, off)
	}
	if aligned(buf, off) {
		return unix.Pread(f.fd, buf, off)
	}
	if alignedRange(len(buf), off) {
		bounce := alignedBuf(len(buf))
		n, err := unix.Pread(f.fd, bounce, off)
		if n > 0 {
			copy(buf, bounce[:n])
		}
		return n, err
	}
	fd, err := f.buffered()
	if err != nil {
		return 0, err
	}
	return unix.Pread(fd, buf, off)
}

// pwriteSome is pwritev2(2) with the flags of a WritevReq, whatever the alignment.
func (f *file) pwriteSome(data []byte, off int64, flags int) (int, error) {
	fd := f.fd
	if f.direct && !aligned(data, off) {
		if alignedRange(len(data), off) {
			bounce := alignedBuf(len(data))
			copy(bounce, data)
			data = bounce
		} else {
			var err error
			if fd, err = f.buffered(); err != nil {
				return 0, err
			}
		}
	}
	how := 0
	switch {
	case flags&unix.O_SYNC == unix.O_SYNC:
		how = unix.RWF_SYNC
	case flags&unix.O_DSYNC != 0:
		how = unix.RWF_DSYNC
	}
	if f.append && flags&fop.WriteInPlace == 0 {
		how |= unix.RWF_APPEND
	}
	if how != 0 {
		return unix.Pwritev2(fd, [][]byte{data}, off, how)
	}
	return unix.Pwrite(fd, data, off)
}

// buffered returns a descriptor of the file without O_DIRECT.
func (f *file) buffered() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plain >= 0 {
		return f.plain, nil
	}
	flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Open(procPath(f.fd), flags&fileFlags&^(unix.O_DIRECT|unix.O_TRUNC)|unix.O_CLOEXEC, 0)
	if err == syscall.ENOENT {
		err = syscall.ESTALE
	}
	if err != nil {
		return -1, err
	}
	f.plain = fd
	return fd, nil
}

func alignedRange(n int, off int64) bool { return n%directAlign == 0 && off%directAlign == 0 }

func aligned(buf []byte, off int64) bool {
	return alignedRange(len(buf), off) && uintptr(unsafe.Pointer(unsafe.SliceData(buf)))%directAlign == 0
}

func alignedBuf(n int) []byte {
	b := make([]byte, n+directAlign)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (directAlign - 1)
	return b[skip : skip+n]
}
