package mount

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/gofs/gofs/client/fuse"
	"golang.org/x/sys/unix"
)

const usageHint = "\nUsage:\nman 8 mount.gofs"

// ParseHelperArgs reads the arguments of mount.gofs: SPEC DIR [-sfnvVh] [-o OPTIONS].
// SPEC is SERVER[,SERVER...]:[/]VOLUME[/SUBDIR] or the path of a volfile. Its errors are
// of type *Exit. Nothing is checked that may change until the mount; see Check.
func ParseHelperArgs(args []string) (*Options, error) {
	o := &Options{Fuse: fuse.DefaultOptions(), ServerPort: DefaultPort, FetchAttempts: 1, Retry: -1}
	var words, lists []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		takesValue := func() (string, bool) {
			if i+1 >= len(args) {
				return "", false
			}
			i++
			return args[i], true
		}
		switch {
		case a == "-o" || a == "-t" || a == "-N":
			v, ok := takesValue()
			if !ok {
				return nil, &Exit{ExitFailure, "Option " + a + " wants a value"}
			}
			if a == "-o" {
				lists = append(lists, v)
			}
		case strings.HasPrefix(a, "-o"):
			lists = append(lists, a[2:])
		case a == "--version":
			o.Version = true
		case a == "--help":
			o.Help = true
		case a == "--foreground" || a == "--no-daemon":
			o.Foreground = true
		case len(a) > 1 && a[0] == '-':
			if err := o.letters(a[1:]); err != nil {
				return nil, err
			}
		default:
			words = append(words, a)
		}
	}
	if o.Version || o.Help {
		return o, nil
	}
	if len(words) < 2 {
		return nil, noVolume()
	}
	if len(words) > 2 {
		return nil, &Exit{ExitFailure, "Too many arguments: " + strings.Join(words[2:], " ")}
	}
	if err := o.spec(words[0]); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(words[1])
	if err != nil {
		return nil, &Exit{ExitFailure, err.Error()}
	}
	o.MountPoint = dir
	subdir := o.Subdir
	for _, l := range lists {
		if err := o.parse(l); err != nil {
			return nil, err
		}
	}
	if o.LogFile != "" {
		if o.LogFile, err = filepath.Abs(o.LogFile); err != nil {
			return nil, &Exit{ExitFailure, err.Error()}
		}
	}
	o.Source += o.transportSuffix
	if o.Subdir != subdir {
		o.Source += o.Subdir
	}
	return o, nil
}

func (o *Options) letters(flags string) error {
	for _, c := range flags {
		switch c {
		case 's', 'n', 'v':
		case 'f':
			o.Fake = true
		case 'V':
			o.Version = true
		case 'h':
			o.Help = true
		default:
			return &Exit{ExitFailure, "Illegal option -" + string(c)}
		}
	}
	return nil
}

func noVolume() error {
	return &Exit{ExitFailure, "ERROR: Server name/volume name unspecified cannot proceed further..\nPlease specify correct format" + usageHint}
}

// spec reads what to mount.
func (o *Options) spec(s string) error {
	if st, err := os.Stat(s); err == nil && st.Mode().IsRegular() {
		abs, err := filepath.Abs(s)
		o.Volfile, o.Source = abs, s
		if err != nil {
			return &Exit{ExitFailure, err.Error()}
		}
		return nil
	}
	// The volume begins behind ":/", or without a slash behind the last colon, as an
	// IPv6 address has colons too.
	i := strings.Index(s, ":/")
	if i < 0 {
		i = strings.LastIndexByte(s, ':')
	}
	if i <= 0 {
		return noVolume()
	}
	servers, path := s[:i], s[i+1:]
	volume, subdir, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if volume == "" {
		return noVolume()
	}
	o.Volume = volume
	o.setSubdir(subdir)
	list := strings.Split(servers, ",")
	o.Source = list[0] + ":" + path
	for _, h := range list {
		if h = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]"); h != "" {
			o.Servers = append(o.Servers, h)
		}
	}
	if len(o.Servers) == 0 {
		return noVolume()
	}
	return nil
}

// Check refuses mount points that cannot be one. Its errors are of type *Exit.
func (o *Options) Check() error {
	switch o.MountPoint {
	case "/":
		return &Exit{ExitRefused, "Cannot mount over root"}
	case "/tmp":
		return &Exit{ExitRefused, "Cannot mount over /tmp"}
	}
	// The table first: asking a mount whose servers are gone would take long.
	if mountedHere(o.MountPoint) {
		return &Exit{ExitMounted, "mount.gofs: according to mtab, GlusterFS is already mounted on " + o.MountPoint}
	}
	if st, err := os.Stat(o.MountPoint); err != nil || !st.IsDir() {
		return &Exit{ExitFailure, "ERROR: Mount point does not exist\nPlease specify a mount point" + usageHint}
	}
	if n, err := unix.Getxattr(o.MountPoint, "trusted.glusterfs.volume-id", nil); err == nil && n > 0 {
		return &Exit{ExitRefused, "ERROR: " + o.MountPoint + " is in use as a brick of a gluster volume"}
	}
	return nil
}

// mountedHere reports whether the mount table has gofs or GlusterFS on dir.
func mountedHere(dir string) bool {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return false
	}
	escaped := strings.NewReplacer("\\", `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(dir)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 2 && f[1] == escaped && (f[2] == "fuse.gofs" || f[2] == "fuse.glusterfs") {
			return true
		}
	}
	return false
}
