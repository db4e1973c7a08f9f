package brickproc

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Spec describes a process that should run: a brick, or the node's heal daemon.
type Spec struct {
	Kind      Kind
	Volume    string
	VolumeID  string
	Host      string // as in the volume's definition
	Path      string // directory; tells the bricks of a node apart
	VolfileID string // for the daemon
}

// dashed is a brick's path as part of a file name, as GlusterFS makes it.
func dashed(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "-")
}

// Kind is what a process is.
type Kind int

const (
	Brick Kind = iota
	// Heald is the heal daemon. It has no port, and of a Spec only the Path HealdPath.
	Heald
)

// HealdPath stands where a brick's path does: it is no path of a brick.
const HealdPath = "heald"

// PidFile returns the path of a process's pid file.
func PidFile(runDir string, s *Spec) string {
	if s.Kind == Heald {
		return filepath.Join(runDir, "vols", "heald", "heald.pid") // where what ends bricks looks
	}
	return filepath.Join(runDir, "vols", s.Volume, s.Host+"-"+dashed(s.Path)+".pid")
}

// Socket returns the path of a brick's admin socket. It is short, since the kernel
// takes at most 107 bytes: the brick is in it as a hash.
func Socket(runDir string, s *Spec) string {
	if s.Kind == Heald {
		return filepath.Join(runDir, "heald.socket")
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", s.Volume, s.Host, s.Path)
	return filepath.Join(runDir, fmt.Sprintf("%016x.socket", h.Sum64()))
}

// LogFile returns the path of a brick's log.
func LogFile(logDir string, s *Spec) string {
	if s.Kind == Heald {
		return filepath.Join(logDir, "heald.log")
	}
	return filepath.Join(logDir, "bricks", dashed(s.Path)+".log")
}

// lastWords is where a brick's standard error goes: why it could not start.
func lastWords(runDir string, s *Spec) string {
	return strings.TrimSuffix(PidFile(runDir, s), ".pid") + ".err"
}

// locking is how long Lock tries: longer than anybody only looks.
const locking = 500 * time.Millisecond

// Lock opens and locks a brick's pid file and writes this process's number into it.
// The file must stay open for as long as the process serves. syscall.EWOULDBLOCK: another
// process serves the brick.
func Lock(pidFile string) (*os.File, error) {
	f, err := os.OpenFile(pidFile, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for end := time.Now().Add(locking); errors.Is(err, syscall.EWOULDBLOCK) && time.Now().Before(end); {
		time.Sleep(locking / 50) // the daemon may be looking who has it
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", pidFile, err)
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// holder returns the process that has pidFile locked, 0 if there is none.
func holder(pidFile string) (int, error) {
	f, err := os.Open(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		// Not left to the closing: a child that is being forked just now has a copy of f until
		// its exec, and would keep the lock from the brick that is started next.
		return 0, syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, fmt.Errorf("locking %s: %w", pidFile, err)
	}
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s is locked but holds no process number", pidFile)
	}
	return pid, nil
}

// reasonOf returns what a brick said last, or how it ended.
func reasonOf(runDir string, s *Spec, ended string) string {
	text, err := os.ReadFile(lastWords(runDir, s))
	if err != nil {
		return ended
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if first == "" {
		return ended
	}
	return strings.TrimPrefix(strings.TrimPrefix(first, "gofs brick: "), "gofs heald: ")
}
