// Package mount is the mount process: it fetches the volume's volfile, builds the
// client's graph and attaches it to a directory, until that is unmounted.
//
// ParseHelperArgs reads what mount(8) gives its helper, with GlusterFS's options,
// words and exit codes; Run does the rest.
package mount

import (
	"log/slog"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofs/gofs/client/fuse"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/xlator"
)

// DefaultPort is where the management daemon listens.
const DefaultPort = 24007

// Exit codes, as mount.glusterfs has them.
const (
	ExitFailure = 1  // wrong usage, or the mount failed
	ExitRefused = 2  // not over this directory
	ExitMounted = 32 // mounted already
)

// An Exit is an error for the command line: what to print and how to exit.
type Exit struct {
	Code    int
	Message string // without the final newline; may have several lines
}

func (e *Exit) Error() string { return e.Message }

// Options of one mount.
type Options struct {
	// Source is what the mount table shows: the first server and the volume as typed.
	Source     string
	Servers    []string // whom to ask for the volfile, in order; hosts without a port
	ServerPort int
	Volume     string
	Subdir     string // "" or /path in the volume
	Volfile    string // a file to read instead of asking a server
	MountPoint string // absolute

	Flags           uintptr // of mount(2)
	Fuse            fuse.Options
	Attach          fuse.MountOptions
	FetchAttempts   int           // rounds through the servers, at least
	Retry           time.Duration // how long to try, at least; below 0: not said
	Netdev          bool          // _netdev: an entry of fstab that may be mounted before a server is up
	OOMScore        int
	LogFile         string // "" the default
	LogLevel        string // "": as the volume says, INFO if it says nothing
	RunDir          string // "": DefaultRunDir
	VolumeName      string // the translator to mount, "": the top one
	XlatorOptions   []XlatorOption
	Foreground      bool
	Fake            bool // -f: do everything but mount
	Version, Help   bool // only that was asked for
	Warnings        []string
	transportSuffix string

	deadline time.Time // until when attempts that fail are made again
	bricks   brickNews
	conns    *connections  // of the graph in use
	level    slog.LevelVar // of the log
	stats    iostats.Stats
}

// bootRetry is how long a mount with _netdev is tried unless retry says otherwise. With the
// wait for the bricks it is less than the 90 s that systemd gives a mount.
const bootRetry = 60 * time.Second

// patience is how long to try.
func (o *Options) patience() time.Duration {
	switch {
	case o.Retry >= 0:
		return o.Retry
	case o.Netdev:
		return bootRetry
	}
	return 0
}

// XlatorOption overrides an option of those translators whose names match.
type XlatorOption struct{ Pattern, Key, Value string }

// flagOptions are those without a value: what they do, nil for nothing.
var flagOptions = map[string]func(*Options){
	"ro":  func(o *Options) { o.Flags |= syscall.MS_RDONLY },
	"rw":  func(o *Options) { o.Flags &^= syscall.MS_RDONLY },
	"acl": func(o *Options) { o.Fuse.ACL = true },

	"noatime":       func(o *Options) { o.Flags |= syscall.MS_NOATIME },
	"atime":         func(o *Options) { o.Flags &^= syscall.MS_NOATIME },
	"nodiratime":    func(o *Options) { o.Flags |= syscall.MS_NODIRATIME },
	"diratime":      func(o *Options) { o.Flags &^= syscall.MS_NODIRATIME },
	"relatime":      func(o *Options) { o.Flags |= syscall.MS_RELATIME },
	"norelatime":    func(o *Options) { o.Flags &^= syscall.MS_RELATIME },
	"strictatime":   func(o *Options) { o.Flags |= syscall.MS_STRICTATIME },
	"nostrictatime": func(o *Options) { o.Flags &^= syscall.MS_STRICTATIME },
	"nodev":         func(o *Options) { o.Flags |= syscall.MS_NODEV },
	"dev":           func(o *Options) { o.Flags &^= syscall.MS_NODEV },
	"noexec":        func(o *Options) { o.Flags |= syscall.MS_NOEXEC },
	"exec":          func(o *Options) { o.Flags &^= syscall.MS_NOEXEC },
	"nosuid":        func(o *Options) { o.Flags |= syscall.MS_NOSUID },
	"suid":          func(o *Options) { o.Flags &^= syscall.MS_NOSUID },

	"_netdev":          func(o *Options) { o.Netdev = true },
	"enable-ino32":     func(o *Options) { o.Fuse.Ino32 = true },
	"fopen-keep-cache": func(o *Options) { o.Fuse.KeepCache = true },

	"auto": nil, "noauto": nil, "nofail": nil, "defaults": nil, "user": nil, "users": nil, "nouser": nil,
	"lazytime": nil, "nolazytime": nil, "lazyatime": nil, "nolazyatime": nil, "auto_unmount": nil,
	"selinux": nil, "capability": nil, "mem-accounting": nil, "resolve-gids": nil, "global-threading": nil, "localtime-logging": nil,
	"volfile-check": nil,
}

// unhandled options are told about and ignored, as GlusterFS does.
var unhandled = map[string]bool{"sync": true, "async": true, "dirsync": true, "mand": true, "nomand": true, "silent": true, "loud": true,
	"iversion": true, "noiversion": true}

// refused options change what a mount means, and gofs does not have them.
var refused = map[string]bool{"worm": true, "aux-gfid-mount": true, "thin-client": true}

// valueOptions are those with a value; nil: accepted, without effect. They return false
// if the value makes no sense.
var valueOptions = map[string]func(*Options, string) bool{
	"log-level": (*Options).setLogLevel,
	"log-file":  func(o *Options, v string) bool { o.LogFile = v; return true },
	"transport": func(o *Options, v string) bool { o.transportSuffix = "." + v; return v == "tcp" || v == "socket" },

	"attribute-timeout": func(o *Options, v string) bool { return seconds(&o.Fuse.AttrTimeout, v) },
	"entry-timeout":     func(o *Options, v string) bool { return seconds(&o.Fuse.EntryTimeout, v) },
	"negative-timeout":  func(o *Options, v string) bool { return seconds(&o.Fuse.NegativeTimeout, v) },
	"gid-timeout":       func(o *Options, v string) bool { return seconds(&o.Fuse.GroupsTimeout, v) },

	"background-qlen":        func(o *Options, v string) bool { return number(&o.Attach.MaxBackground, v) },
	"congestion-threshold":   func(o *Options, v string) bool { return number(&o.Attach.CongestionThreshold, v) },
	"fetch-attempts":         func(o *Options, v string) bool { return number(&o.FetchAttempts, v) },
	"retry":                  func(o *Options, v string) bool { return seconds(&o.Retry, v) },
	"server-port":            func(o *Options, v string) bool { return number(&o.ServerPort, v) },
	"oom-score-adj":          func(o *Options, v string) bool { return number(&o.OOMScore, v) },
	"direct-io-mode":         func(o *Options, v string) bool { return v == "auto" || boolean(&o.Fuse.DirectIO, v) },
	"fopen-keep-cache":       func(o *Options, v string) bool { return boolean(&o.Fuse.KeepCache, v) },
	"enable-ino32":           func(o *Options, v string) bool { return boolean(&o.Fuse.Ino32, v) },
	"kernel-writeback-cache": func(o *Options, v string) bool { return boolean(&o.Attach.WritebackCache, v) },
	"use-readdirp": func(o *Options, v string) bool {
		use := true
		ok := boolean(&use, v)
		o.Attach.NoReaddirplus = !use
		return ok
	},
	"run-dir":                func(o *Options, v string) bool { o.RunDir = v; return path.IsAbs(v) },
	"volume-name":            func(o *Options, v string) bool { o.VolumeName = v; return true },
	"subdir-mount":           func(o *Options, v string) bool { return o.setSubdir(v) },
	"xlator-option":          (*Options).addXlatorOption,
	"backup-volfile-servers": (*Options).addBackups,
	"backupvolfile-server":   (*Options).addBackups,
	"backupvolfile-servers":  (*Options).addBackups,

	"volume-id": nil, "volfile-check": nil, "lru-limit": nil, "invalidate-limit": nil, "fuse-mountopts": nil, "event-history": nil,
	"reader-thread-count": nil, "auto-invalidation": nil, "no-root-squash": nil, "root-squash": nil, "attr-times-granularity": nil,
	"dump-fuse": nil, "fuse-flush-handle-interrupt": nil, "fuse-dev-eperm-ratelimit-ns": nil, "context": nil, "fscontext": nil,
	"defcontext": nil, "rootcontext": nil, "halo-max-latency": nil, "halo-max-replicas": nil, "halo-min-replicas": nil,
	"process-name": nil, "io-engine": nil, "mem-accounting": nil, "resolve-gids": nil, "global-threading": nil,
}

func seconds(d *time.Duration, v string) bool {
	t, ok := xlator.ParseSeconds(v)
	if ok {
		*d = t
	}
	return ok
}

func number(n *int, v string) bool {
	i, err := strconv.Atoi(v)
	if err == nil {
		*n = i
	}
	return err == nil
}

func boolean(b *bool, v string) bool {
	t, ok := xlator.ParseBool(v)
	if ok {
		*b = t
	}
	return ok
}

func (o *Options) setSubdir(v string) bool {
	if v = strings.Trim(v, "/"); v != "" {
		o.Subdir = "/" + v
	}
	return true
}

func (o *Options) setLogLevel(v string) bool {
	if _, ok := logLevels[v]; !ok {
		o.Warnings = append(o.Warnings, "invalid log level "+v+", using INFO")
		o.LogLevel = "INFO"
		return true
	}
	o.LogLevel = v
	return true
}

// addXlatorOption reads NAME.KEY=VALUE.
func (o *Options) addXlatorOption(v string) bool {
	name, value, ok := strings.Cut(v, "=")
	dot := strings.LastIndexByte(name, '.')
	if !ok || dot <= 0 {
		return false
	}
	o.XlatorOptions = append(o.XlatorOptions, XlatorOption{name[:dot], name[dot+1:], value})
	return true
}

// addBackups reads s1:s2 with IPv6 addresses in brackets.
func (o *Options) addBackups(v string) bool {
	for v != "" {
		host := v
		if strings.HasPrefix(v, "[") && strings.Contains(v, "]") {
			host, v, _ = strings.Cut(v[1:], "]")
			v = strings.TrimPrefix(v, ":")
		} else {
			host, v, _ = strings.Cut(v, ":")
		}
		if host != "" {
			o.Servers = append(o.Servers, host)
		}
	}
	return true
}

// parse reads a comma-separated list of options.
func (o *Options) parse(list string) error {
	for _, opt := range strings.Split(list, ",") {
		key, value, hasValue := strings.Cut(opt, "=")
		switch {
		case opt == "", strings.HasPrefix(key, "x-"), strings.HasPrefix(key, "comment"):
		case refused[key]:
			return &Exit{ExitFailure, "Invalid option " + key + ": gofs does not have it"}
		case !hasValue:
			f, known := flagOptions[key]
			if unhandled[key] {
				o.Warnings = append(o.Warnings, "mount option '"+key+"' is not handled (yet?)")
			} else if !known {
				return &Exit{ExitFailure, "Invalid option " + key}
			} else if f != nil {
				f(o)
			}
		default:
			f, known := valueOptions[key]
			if !known {
				return &Exit{ExitFailure, "Invalid option: " + key}
			}
			if f != nil && !f(o, value) {
				o.Warnings = append(o.Warnings, "mount option "+key+" ignored: it cannot be "+strconv.Quote(value))
			}
		}
	}
	return nil
}
