package fuse

import (
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxRequest is the largest read and write, in bytes.
const maxRequest = 1 << 20

// MountOptions say how a Bridge is attached to a directory.
type MountOptions struct {
	// Source is what the mount table shows: SERVER:/VOLUME.
	Source string
	// Flags are mount(2)'s: MS_RDONLY, MS_NOEXEC and so on. MS_NODEV and MS_NOSUID are
	// not added.
	Flags uintptr

	NoReaddirplus       bool
	WritebackCache      bool // the kernel collects writes; they may be lost
	MaxBackground       int  // requests of the kernel's own at once
	CongestionThreshold int
}

// A Mount is a mounted Bridge.
type Mount struct {
	server *fuse.Server
	bridge *Bridge
	dir    string
	served chan struct{}
}

// Mount attaches the bridge to dir and begins to answer the kernel. It takes root.
func (b *Bridge) Mount(dir string, o MountOptions) (*Mount, error) {
	opts := &fuse.MountOptions{
		FsName: o.Source, Name: "gofs", AllowOther: true,
		DirectMountStrict: true, DirectMountFlags: o.Flags | syscall.MS_MGC_VAL,
		MaxWrite: maxRequest, MaxReadAhead: maxRequest,
		MaxBackground: o.MaxBackground, CongestionThreshold: o.CongestionThreshold,
		EnableLocks: true, EnableAcl: b.opts.ACL, DisableReadDirPlus: o.NoReaddirplus, DisableSplice: true,
		// The umask is applied on the brick, where the parent's default ACL is known; who
		// clears set-user-id bits is us, which spares a getxattr before each write; the
		// kernel asks for attributes in listings where programs want them.
		ExtraCapabilities: fuse.CAP_DONT_MASK | fuse.CAP_HANDLE_KILLPRIV_V2 | fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_ASYNC_DIO,
		Logger:            log.New(logWriter{b}, "", 0),
		PanicHandler: func(p any) fuse.Status {
			b.log.Error("panic in a request", "panic", p, "stack", string(debug.Stack()))
			return fuse.EIO
		},
	}
	if !b.opts.ACL {
		opts.Options = append(opts.Options, "default_permissions")
	}
	if o.WritebackCache {
		opts.ExtraCapabilities |= fuse.CAP_WRITEBACK_CACHE
		b.writeback = true
	}
	b.noReaddirplus = o.NoReaddirplus
	if o.MaxBackground == 0 {
		opts.MaxBackground = 64
	}
	server, err := fuse.NewServer(b, dir, opts)
	if err != nil {
		return nil, fmt.Errorf("mount on %s: %w", dir, err)
	}
	m := &Mount{server: server, bridge: b, dir: dir, served: make(chan struct{})}
	go func() {
		defer close(m.served)
		server.Serve()
	}()
	if err := server.WaitMount(); err != nil {
		m.Unmount()
		return nil, fmt.Errorf("mount on %s: %w", dir, err)
	}
	raiseReadAhead(dir)
	return m, nil
}

// Wait returns when the filesystem is unmounted and the last request answered.
func (m *Mount) Wait() { <-m.served }

// Unmount detaches the filesystem: programs that have files open may go on with them;
// Wait returns when they are done.
func (m *Mount) Unmount() error {
	err := unix.Unmount(m.dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == unix.EINVAL {
		return nil // not mounted any more
	}
	return err
}

// raiseReadAhead lets the kernel read as far ahead as it may ask for at once; FUSE
// cannot say so itself. It only costs speed if it fails.
func raiseReadAhead(dir string) {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return
	}
	name := "/sys/class/bdi/" + strconv.Itoa(int(unix.Major(st.Dev))) + ":" + strconv.Itoa(int(unix.Minor(st.Dev))) + "/read_ahead_kb"
	os.WriteFile(name, []byte("2048"), 0)
}

// logWriter gives go-fuse's lines to the bridge's logger.
type logWriter struct{ b *Bridge }

func (w logWriter) Write(p []byte) (int, error) {
	w.b.log.Warn("fuse", "message", string(p))
	return len(p), nil
}
