package brickproc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a running brick, whoever started it.
type process struct {
	pid   int
	pidfd *os.File  // readable once the process has ended
	child *exec.Cmd // nil if an earlier daemon started it
	port  int       // it was started with; 0 if not known yet
}

// attach takes hold of the process pid.
func attach(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return &process{pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// find returns the process that serves the brick, nil if there is none.
func (s *Supervisor) find(spec *Spec) (*process, error) {
	return findAt(PidFile(s.cfg.RunDir, spec))
}

// findAt returns the process that has a pid file locked.
func findAt(file string) (*process, error) {
	pid, err := holder(file)
	if pid == 0 || err != nil {
		return nil, err
	}
	p, err := attach(pid)
	if err != nil {
		return nil, err
	}
	// The number may have been given anew between reading it and attaching.
	if again, err := holder(file); again != pid {
		p.pidfd.Close()
		return nil, err
	}
	return p, nil
}

// start starts the brick on its port. It does not wait until the brick serves.
func (s *Supervisor) start(spec *Spec) (*process, error) {
	args, port, err := s.arguments(spec)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{filepath.Dir(PidFile(s.cfg.RunDir, spec)), filepath.Dir(LogFile(s.cfg.LogDir, spec))} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	words, err := os.OpenFile(lastWords(s.cfg.RunDir, spec), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer words.Close()
	cmd := exec.Command(s.cfg.Exe, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), s.processors()...)
	cmd.Stderr = words
	// Its own session: what ends the daemon (a terminal's ^C) must not end the brick.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a brick process: %w", err)
	}
	p, err := attach(cmd.Process.Pid)
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	p.child, p.port = cmd, port
	return p, nil
}

// arguments are those of the process, with the port it is to listen on, 0 for none.
func (s *Supervisor) arguments(spec *Spec) (args []string, port int, err error) {
	files := []string{"--pid-file", PidFile(s.cfg.RunDir, spec), "--socket", Socket(s.cfg.RunDir, spec), "--log-file", LogFile(s.cfg.LogDir, spec)}
	if spec.Kind == Heald {
		return append([]string{"heald", "--daemon", s.cfg.Daemon, "--volfile-id", spec.VolfileID, "--port", strconv.Itoa(s.cfg.Port)}, files...), 0, nil
	}
	if port, err = s.cfg.Ports.Assign(spec.Path); err != nil {
		return nil, 0, err
	}
	if s.cfg.StateDir != "" {
		files = append(files, "--age-file", filepath.Join(s.cfg.StateDir, dashed(spec.Path)+".age"))
	}
	return append([]string{"brick", "--daemon", s.cfg.Daemon, "--volfile-id", spec.VolfileID,
		"--volume", spec.Volume, "--volume-id", spec.VolumeID, "--brick-path", spec.Path,
		"--listen", s.cfg.Listen, "--port", strconv.Itoa(port)}, files...), port, nil
}

// processors says, in a brick's environment, how many processors it may keep busy: its
// share of the node's. Several Go processes that each believe to have the machine to
// themselves wake threads for each other's sake: with three bricks on two processors,
// small files are a fifth to a third slower.
func (s *Supervisor) processors() []string {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil // somebody knows better
	}
	s.mu.Lock()
	bricks := len(s.keepers)
	s.mu.Unlock()
	return []string{"GOMAXPROCS=" + strconv.Itoa(max(runtime.NumCPU()/max(bricks, 1), 1))}
}

// wait returns how the process ended, or ctx's error.
func (p *process) wait(ctx context.Context) (string, error) {
	// A deadline in the past wakes the reader.
	stop := context.AfterFunc(ctx, func() { p.pidfd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return "", err
	}
	err = conn.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", err
	}
	defer p.pidfd.Close()
	if p.child == nil {
		return "ended", nil
	}
	if err := p.child.Wait(); err != nil {
		return err.Error(), nil
	}
	return "ended", nil
}

// signal sends sig to this very process, never to one that got its number later.
func (p *process) signal(sig syscall.Signal) error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return err
	}
	return sent
}
