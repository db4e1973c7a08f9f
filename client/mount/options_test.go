package mount

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSpec(t *testing.T) {
	for _, c := range []struct {
		spec, source string
		servers      []string
		volume, sub  string
	}{
		{"server1:/rep3", "server1:/rep3", []string{"server1"}, "rep3", ""},
		{"server1:rep3", "server1:rep3", []string{"server1"}, "rep3", ""},
		{"server1:/rep3/d/e", "server1:/rep3/d/e", []string{"server1"}, "rep3", "/d/e"},
		{"server1:rep3/d", "server1:rep3/d", []string{"server1"}, "rep3", "/d"},
		{"server1,server2,:/rep3", "server1:/rep3", []string{"server1", "server2"}, "rep3", ""},
		{"[2001:db8::1]:/rep3", "[2001:db8::1]:/rep3", []string{"2001:db8::1"}, "rep3", ""},
		{"2001:db8::1:/rep3", "2001:db8::1:/rep3", []string{"2001:db8::1"}, "rep3", ""},
	} {
		o, err := ParseHelperArgs([]string{c.spec, "/mnt/m"})
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if o.Source != c.source || !reflect.DeepEqual(o.Servers, c.servers) || o.Volume != c.volume || o.Subdir != c.sub {
			t.Errorf("%s: %+v", c.spec, o)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 1, "ERROR: Server name/volume name unspecified cannot proceed further..\nPlease specify correct format"},
		{"server1:/rep3", 1, "ERROR: Server name/volume name unspecified"},
		{"server1: /mnt", 1, "ERROR: Server name/volume name unspecified"},
		{"/rep3 /mnt", 1, "ERROR: Server name/volume name unspecified"},
		{"rep3 /mnt", 1, "ERROR: Server name/volume name unspecified"},
		{"s:/v /mnt -o nosuch", 1, "Invalid option nosuch"},
		{"s:/v /mnt -o nosuch=1", 1, "Invalid option: nosuch"},
		{"s:/v /mnt -o remount", 1, "Invalid option remount"},
		{"s:/v /mnt -o worm", 1, "Invalid option worm"},
		{"s:/v /mnt -q", 1, "Illegal option -q"},
		{"s:/v /mnt -o", 1, "wants a value"},
	} {
		_, err := ParseHelperArgs(strings.Fields(c.args))
		var exit *Exit
		if !errors.As(err, &exit) || exit.Code != c.code || !strings.Contains(exit.Message, c.want) {
			t.Errorf("mount.gofs %s: %v, want %q", c.args, err, c.want)
		}
	}
}

// TestOptions reads every option that mount.glusterfs 10.3 knows (cli.md section 7).
func TestOptions(t *testing.T) {
	const flags = "ro rw acl selinux enable-ino32 mem-accounting resolve-gids global-threading localtime-logging fopen-keep-cache " +
		"auto noauto _netdev x-systemd.automount atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime " +
		"lazyatime nolazyatime dev nodev exec noexec suid nosuid auto_unmount nofail defaults sync async dirsync mand nomand silent loud iversion noiversion"
	const values = "log-level=DEBUG log-file=/x.log transport=tcp direct-io-mode=enable volume-name=foo volume-id=rep3 subdir-mount=d volfile-check=1 " +
		"server-port=24008 attribute-timeout=2 entry-timeout=3.5 negative-timeout=1 gid-timeout=9 lru-limit=100 invalidate-limit=10 " +
		"background-qlen=5 backup-volfile-servers=server2:[::1]:server3 backupvolfile-server=server4 fetch-attempts=5 congestion-threshold=7 oom-score-adj=-5 " +
		"xlator-option=*-client-0.ping-timeout=5 fuse-mountopts=x use-readdirp=no event-history=1 reader-thread-count=2 auto-invalidation=1 " +
		"no-root-squash=1 root-squash=1 kernel-writeback-cache=yes attr-times-granularity=1 dump-fuse=x fuse-flush-handle-interrupt=1 " +
		"fuse-dev-eperm-ratelimit-ns=1 context=x fscontext=x defcontext=x rootcontext=x halo-max-latency=10 halo-max-replicas=1 " +
		"halo-min-replicas=1 process-name=zz io-engine=x x-y=z"
	o, err := ParseHelperArgs([]string{"server1:/rep3", "/mnt/m", "-sn", "-o", strings.ReplaceAll(flags, " ", ","), "-o", strings.ReplaceAll(values, " ", ",")})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Warnings) != 9 {
		t.Errorf("warnings: %q", o.Warnings)
	}
	if !o.Fuse.ACL || !o.Fuse.Ino32 || !o.Fuse.KeepCache || !o.Fuse.DirectIO || !o.Attach.WritebackCache || !o.Attach.NoReaddirplus {
		t.Errorf("%+v %+v", o.Fuse, o.Attach)
	}
	if o.Fuse.AttrTimeout != 2*time.Second || o.Fuse.EntryTimeout != 3500*time.Millisecond || o.Fuse.NegativeTimeout != time.Second || o.Fuse.GroupsTimeout != 9*time.Second {
		t.Errorf("%+v", o.Fuse)
	}
	if !reflect.DeepEqual(o.Servers, []string{"server1", "server2", "::1", "server3", "server4"}) {
		t.Errorf("servers %q", o.Servers)
	}
	if o.Source != "server1:/rep3.tcp/d" || o.Subdir != "/d" || o.ServerPort != 24008 || o.FetchAttempts != 5 || o.LogLevel != "DEBUG" || o.VolumeName != "foo" {
		t.Errorf("%+v", o)
	}
	if o.Attach.MaxBackground != 5 || o.Attach.CongestionThreshold != 7 || o.OOMScore != -5 {
		t.Errorf("%+v", o)
	}
	if !reflect.DeepEqual(o.XlatorOptions, []XlatorOption{{"*-client-0", "ping-timeout", "5"}}) {
		t.Errorf("%+v", o.XlatorOptions)
	}
	o, err = ParseHelperArgs([]string{"s:/v", "/mnt", "-o", "ro,noatime,nosuid,log-level=FOO,attribute-timeout=abc"})
	if err != nil || o.Flags != syscall.MS_RDONLY|syscall.MS_NOATIME|syscall.MS_NOSUID {
		t.Errorf("%+v, %v", o, err)
	}
	if want := []string{"invalid log level FOO, using INFO", `mount option attribute-timeout ignored: it cannot be "abc"`}; !reflect.DeepEqual(o.Warnings, want) {
		t.Errorf("warnings %q", o.Warnings)
	}
}

func TestCheck(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	brick := t.TempDir()
	if err := syscall.Setxattr(brick, "trusted.glusterfs.volume-id", make([]byte, 16), 0); err != nil {
		brick = ""
	}
	for _, c := range []struct {
		dir  string
		code int
		want string
	}{
		{"/", 2, "Cannot mount over root"},
		{"/tmp", 2, "Cannot mount over /tmp"},
		{"/nosuch", 1, "ERROR: Mount point does not exist\nPlease specify a mount point"},
		{file, 1, "ERROR: Mount point does not exist"},
		{brick, 2, "ERROR: " + brick + " is in use as a brick of a gluster volume"},
	} {
		if c.dir == "" {
			continue // the filesystem has no trusted xattrs
		}
		err := (&Options{MountPoint: c.dir}).Check()
		var exit *Exit
		if !errors.As(err, &exit) || exit.Code != c.code || !strings.Contains(exit.Message, c.want) {
			t.Errorf("%s: %v, want %q", c.dir, err, c.want)
		}
	}
}

func TestAmend(t *testing.T) {
	const text = "volume a-client-0\n    type protocol/client\nend-volume\n\nvolume a\n    type debug/io-stats\n    subvolumes a-client-0\nend-volume\n"
	o := Options{VolumeName: "a-client-0", XlatorOptions: []XlatorOption{{"*-client-*", "ping-timeout", "7"}, {"b", "x", "y"}}}
	got, err := o.amend(text)
	if err != nil || !strings.Contains(got, "option ping-timeout 7") || strings.Contains(got, "io-stats") {
		t.Errorf("%s %v", got, err)
	}
	o.VolumeName = "nosuch"
	if _, err := o.amend(text); err == nil {
		t.Error("no error for an unknown volume-name")
	}
}

func TestPatience(t *testing.T) {
	for _, c := range []struct {
		opts string
		want time.Duration
	}{
		{"defaults", 0},
		{"defaults,_netdev", bootRetry},
		{"_netdev,retry=0", 0},
		{"retry=90,_netdev", 90 * time.Second},
		{"retry=2", 2 * time.Second},
		{"_netdev,nofail,x-systemd.mount-timeout=5min,x-systemd.requires=gofsd.service", bootRetry},
		{"_netdev,retry=soon", bootRetry}, // with a warning
	} {
		o, err := ParseHelperArgs([]string{"s:/v", "/mnt", "-o", c.opts})
		if err != nil || o.patience() != c.want {
			t.Errorf("%s: %v, want %v; %v", c.opts, o.patience(), c.want, err)
		}
	}
}
