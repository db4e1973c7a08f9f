package fop

import (
	"context"
	"errors"
	"syscall"
)

// Errno returns the errno that err stands for, through any wrapping: 0 for nil,
// EINTR for a cancelled and ETIMEDOUT for an expired context, EIO for an error that
// carries none.
func Errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return syscall.EINTR
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return syscall.ETIMEDOUT
	}
	return syscall.EIO
}

// IsDown reports whether err says that the brick could not be reached (ENOTCONN),
// as opposed to an answer from it.
func IsDown(err error) bool { return Errno(err) == syscall.ENOTCONN }

// IsGone reports whether err says that the inode or name does not exist there.
func IsGone(err error) bool {
	e := Errno(err)
	return e == syscall.ENOENT || e == syscall.ESTALE
}
