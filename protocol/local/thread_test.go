package local

import (
	"runtime"
	"syscall"
)

const nobody = 65534

// becomeNobody changes the user of this thread only.
func becomeNobody() error {
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); e != 0 {
		return e
	}
	return nil
}

// leaveNetwork gives this thread a network namespace of its own.
func leaveNetwork() error { return syscall.Unshare(syscall.CLONE_NEWNET) }

// onThread makes a Unix socket after become and uses it, on a thread that ends afterwards.
func onThread(become func() error, use func(fd int) error) (int, error) {
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		fd := -1
		err := become()
		if err == nil {
			fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		}
		if err == nil {
			err = use(fd)
		}
		done <- result{fd, err}
	}()
	r := <-done
	return r.fd, r.err
}
