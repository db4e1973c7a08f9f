package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyEnv names the descriptor that the background process reports on.
const readyEnv = "GOFS_MOUNT_READY_FD"

// noticeAfter is when the process in the foreground says that it still tries.
const noticeAfter = 3 * time.Second

// readyPipe returns the pipe to the process in the foreground; nil: this is not the one
// in the background.
func readyPipe() *os.File {
	fd, err := strconv.Atoi(os.Getenv(readyEnv))
	if err != nil {
		return nil
	}
	syscall.CloseOnExec(fd)
	os.Unsetenv(readyEnv)
	return os.NewFile(uintptr(fd), "ready")
}

// tellReady reports success, or an error as "CODE MESSAGE".
func tellReady(w io.Writer, err error) {
	if err == nil {
		io.WriteString(w, "0 ")
		return
	}
	code := ExitFailure
	var exit *Exit
	if errors.As(err, &exit) {
		code = exit.Code
	}
	io.WriteString(w, strconv.Itoa(code)+" "+err.Error())
}

// startBackground starts this program again with the same arguments, in a session of
// its own, and waits for its report.
func (o *Options) startBackground(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return o.failed(err)
	}
	log, err := openAppend(o.logName())
	if err != nil {
		return o.failed(err)
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return o.failed(err)
	}
	defer r.Close()
	cmd := exec.Command(exe)
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), readyEnv+"=3")
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdout, cmd.Stderr = log, log // what the runtime prints before it dies
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return o.failed(err)
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })()
	if patience := o.patience(); patience > 0 {
		notice := time.AfterFunc(noticeAfter, func() {
			fmt.Fprintf(os.Stderr, "mount.gofs: %s cannot be mounted yet; trying for %d seconds\n", o.Source, int(patience.Seconds()))
		})
		defer notice.Stop()
	}
	report, err := io.ReadAll(r)
	if err != nil {
		return o.failed(err)
	}
	return o.judge(string(report))
}

// judge reads a report.
func (o *Options) judge(report string) error {
	number, message, _ := strings.Cut(report, " ")
	code, err := strconv.Atoi(number)
	if err != nil {
		return &Exit{ExitFailure, "Mount failed. The mount process died. Check the log file " + o.logName() + " for more details."}
	}
	if code == 0 {
		return nil
	}
	return &Exit{code, message}
}

// openAppend opens a log file, making its directory.
func openAppend(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}
