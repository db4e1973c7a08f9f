package package_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogrotate: after logrotate has moved the log away, the daemon goes on in a new one. It
// runs in a PID namespace, so that the packaged signal reaches no other process. That takes
// a mount namespace, in which the mounts of other tests must not live on.
func TestLogrotate(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a namespace needs root")
	}
	if _, err := exec.LookPath("logrotate"); err != nil {
		t.Skip("no logrotate here")
	}
	dir, err := os.MkdirTemp("", "gr") // not t.TempDir: its name is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	conf, err := os.ReadFile(filepath.Join(built, "root/etc/logrotate.d/gofs"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(conf), "/var/log/gofs", dir+"/log")
	if err := os.WriteFile(dir+"/conf", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `
awk '$2 ~ "^/tmp/" { print $2 }' /proc/mounts | while read -r m; do umount -l "$m"; done 2>/dev/null
gofs=$1 dir=$2
$gofs daemon --address 127.88.0.1 --workdir $dir/work --rundir $dir/run --logdir $dir/log --metrics-address none &
await() { i=0; until "$@" >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 100 ] || { echo "in vain: $*"; exit 1; }; sleep 0.1; done; }
await $gofs --gofsd-sock=$dir/run/gofsd.socket pool list
logrotate -f -s $dir/state $dir/conf || exit 1
await test -e $dir/log/gofsd.log
$gofs --gofsd-sock=$dir/run/gofsd.socket pool list >/dev/null || { echo "the signal ended the daemon"; exit 1; }
kill -TERM $! && wait $!
grep -q "is ready" $dir/log/gofsd.log.1 && grep -q "the daemon stops" $dir/log/gofsd.log
`
	out, err := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", filepath.Join(built, "root/usr/bin/gofs"), dir).CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(dir + "/log/gofsd.log")
		t.Errorf("%v: %s\n%s", err, out, log)
	}
}
