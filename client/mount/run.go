package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/client/fuse"
	"github.com/gofs/gofs/logfile"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/graph"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// bricksTimeout is how long a mount waits for its bricks at the beginning.
	bricksTimeout = 10 * time.Second
	// stoppedTimeout is how long it waits if all daemons say that their bricks do not run.
	stoppedTimeout = time.Second
)

// Run mounts as o says. In the foreground it returns when the filesystem is unmounted,
// by umount(8) or because ctx ended. Otherwise it starts this program once more, in
// the background, and returns when that has mounted. Errors are of type *Exit.
func Run(ctx context.Context, o *Options) error {
	if up := readyPipe(); up != nil {
		defer up.Close()
		os.Chdir("/") // so that no other filesystem is kept busy; all paths are absolute
		told := false
		err := o.serve(ctx, func() {
			told = true
			tellReady(up, nil)
			up.Close()
		})
		if err != nil && !told {
			tellReady(up, err)
		}
		return err
	}
	for _, w := range o.Warnings {
		fmt.Fprintln(os.Stderr, w)
	}
	if err := o.Check(); err != nil {
		return err
	}
	if o.Fake {
		return nil
	}
	if o.Foreground {
		return o.serve(ctx, func() {})
	}
	return o.startBackground(ctx)
}

// serve mounts, calls ready, and serves until the end.
func (o *Options) serve(ctx context.Context, ready func()) error {
	log, file, err := o.openLog()
	if err != nil {
		return o.failed(err)
	}
	if file != nil {
		defer file.Close()
	}
	if o.OOMScore != 0 {
		os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(o.OOMScore)), 0)
	}
	o.deadline = time.Now().Add(o.patience())
	text, err := o.fetch(ctx, log)
	if err == nil {
		text, err = o.amend(text)
	}
	if err != nil {
		log.Error("no volfile", "volume", o.Volume, "reason", err)
		return o.failed(err)
	}
	o.conns = newConnections()
	first, err := graph.Build(text, types(o.resolve, &o.stats, o.conns), log)
	if err != nil {
		log.Error("the volfile cannot be used", "volume", o.Volume, "reason", err)
		return o.failed(err)
	}
	o.setLevel(text)
	top := newLive(first)
	defer top.Close()
	root, err := o.reach(ctx, top, text)
	if err != nil {
		log.Error("the volume cannot be reached", "volume", o.Volume, "reason", err)
		return &Exit{ExitFailure, fmt.Sprintf("Mount failed. %s. Check the log file %s for more details.", sentence(err), o.logName())}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() { (&admin{o: o, log: log, file: file, started: time.Now()}).run(watching) })
	if o.Volfile == "" {
		wg.Go(func() { o.follow(watching, top, text, log) })
	}
	return o.attach(ctx, top, root, log, ready)
}

// attach mounts the graph and waits for the end of the mount.
func (o *Options) attach(ctx context.Context, top xlator.Xlator, root fop.GFID, log *slog.Logger, ready func()) error {
	opts, at := o.Fuse, o.Attach
	opts.Root, opts.Log = root, log
	at.Source, at.Flags = o.Source, o.Flags
	b := fuse.New(top, opts)
	defer b.Close()
	m, err := mountWithRoom(b, o.MountPoint, at)
	if err != nil {
		log.Error("cannot mount", "reason", err)
		return o.failed(err)
	}
	defer context.AfterFunc(ctx, func() {
		log.Info("asked to end, unmounting", "mountpoint", o.MountPoint)
		if err := m.Unmount(); err != nil {
			log.Error("cannot unmount", "reason", err)
		}
	})()
	log.Info("mounted", "source", o.Source, "mountpoint", o.MountPoint)
	ready()
	m.Wait()
	log.Info("unmounted", "mountpoint", o.MountPoint)
	return nil
}

// mountWithRoom mounts, and makes the Go runtime run more threads than there are
// readers of /dev/fuse. A reader blocks in read(2), which the runtime notices only after
// up to 10 ms; were all its processors (GOMAXPROCS) held by readers, answers from the
// network would wait for that long. go-fuse has as many readers as there are processors
// when it mounts, two at least, and one more.
func mountWithRoom(b *fuse.Bridge, dir string, at fuse.MountOptions) (*fuse.Mount, error) {
	const readers = 2
	n := runtime.GOMAXPROCS(readers)
	m, err := b.Mount(dir, at)
	runtime.GOMAXPROCS(n + readers + 2)
	return m, err
}

// reach waits until the volume of the volfile text answers through top, and returns the
// GFID of the directory to mount.
func (o *Options) reach(ctx context.Context, top xlator.Xlator, text string) (fop.GFID, error) {
	clients := strings.Count(text, "type protocol/client\n")
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, max(bricksTimeout, time.Until(o.deadline)))
	defer cancel()
	up := make(chan struct{}, 1)
	top.Watch(func(e xlator.Event) {
		if e.Kind == xlator.ChildUp {
			select {
			case up <- struct{}{}:
			default:
			}
		}
	})
	last := error(syscall.ENOTCONN)
	for {
		select {
		case <-ctx.Done():
			if _, stopped := o.bricks.down(clients); stopped {
				return fop.GFID{}, fmt.Errorf("volume %s is not started", o.Volume)
			}
			if fop.IsDown(last) {
				return fop.GFID{}, errors.New("the volume is not started, or none of its bricks can be reached")
			}
			return fop.GFID{}, last
		case <-up:
		case <-time.After(200 * time.Millisecond): // not every state that matters is an event
		}
		gfid, err := o.walk(ctx, top)
		if err == nil {
			return gfid, nil
		}
		if down, stopped := o.bricks.down(clients); down && time.Since(begin) > stoppedTimeout && (stopped || time.Now().After(o.deadline)) {
			cancel()
		}
		if last = err; fop.IsGone(err) && o.Subdir != "" {
			return fop.GFID{}, fmt.Errorf("directory %s does not exist in volume %s", o.Subdir, o.Volume)
		}
	}
}

// walk looks the directory to mount up, from the root.
func (o *Options) walk(ctx context.Context, top xlator.Xlator) (fop.GFID, error) {
	q := fop.Req{Caller: &fop.Caller{Time: fop.TimeOf(time.Now())}}
	r, err := top.Lookup(ctx, &fop.LookupReq{Req: q, GFID: fop.RootGFID})
	if err != nil {
		return fop.GFID{}, err
	}
	gfid := fop.RootGFID
	for _, name := range strings.Split(o.Subdir, "/") {
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			return fop.GFID{}, syscall.ENOENT
		}
		r, err = top.Lookup(ctx, &fop.LookupReq{Req: q, Parent: gfid, Name: name})
		if err != nil {
			return fop.GFID{}, err
		}
		if !r.Iatt.IsDir() {
			return fop.GFID{}, syscall.ENOENT
		}
		gfid = r.Iatt.GFID
	}
	return gfid, nil
}

// failed is the sentence for a mount that got nowhere: GlusterFS's words, then why.
func (o *Options) failed(err error) error {
	return &Exit{ExitFailure, fmt.Sprintf("Mounting glusterfs on %s failed. %s.", o.MountPoint, sentence(err))}
}

// sentence makes an error the beginning of a sentence.
func sentence(err error) string {
	s := strings.TrimRight(err.Error(), ".")
	return strings.ToUpper(s[:1]) + s[1:]
}

// logLevels are GlusterFS's names.
var logLevels = map[string]slog.Level{"TRACE": slog.LevelDebug - 4, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo,
	"WARNING": slog.LevelWarn, "ERROR": slog.LevelError, "CRITICAL": slog.LevelError + 4, "NONE": slog.LevelError + 100}

// logName is where the log goes: named after the mount point, as GlusterFS does.
func (o *Options) logName() string {
	if o.LogFile != "" {
		return o.LogFile
	}
	name := strings.ReplaceAll(strings.Trim(o.MountPoint, "/"), "/", "-")
	return "/var/log/gofs/" + name + ".log"
}

// openLog opens the log; in the foreground without a log-file it is stderr, and the file nil.
func (o *Options) openLog() (*slog.Logger, *logfile.File, error) {
	var out io.Writer = os.Stderr
	var file *logfile.File
	if !o.Foreground || o.LogFile != "" {
		var err error
		if file, err = logfile.Open(o.logName()); err != nil {
			return nil, nil, err
		}
		out = file
	}
	o.level.Set(logLevels[o.LogLevel])
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: &o.level})), file, nil
}

// setLevel makes the log what option diagnostics.client-log-level of the volume says,
// unless the mount was given a level of its own.
func (o *Options) setLevel(text string) {
	if g, err := volfile.Parse(text); err == nil && o.LogLevel == "" {
		level, _ := g.Top().Get("log-level")
		o.level.Set(logLevels[level]) // INFO is 0
	}
}
