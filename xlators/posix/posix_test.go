package posix

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

// xfs mounts a fresh XFS for the test and returns where. Without loop devices it is a
// plain directory.
func xfs(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	img, mnt := filepath.Join(dir, "img"), filepath.Join(dir, "mnt")
	if st := (unix.Statfs_t{}); unix.Statfs("/dev/shm", &st) == nil && st.Bavail*uint64(st.Bsize) > 2<<30 {
		f, err := os.CreateTemp("/dev/shm", "gofs-test-*.img")
		if err == nil {
			img = f.Name()
			f.Close()
			t.Cleanup(func() { os.Remove(img) })
		}
	}
	if err := os.Mkdir(mnt, 0755); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("truncate", "-s", "512M", img).Run(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.xfs", "-q", "-f", img).CombinedOutput(); err != nil {
		t.Logf("mkfs.xfs: %v %s; using a plain directory", err, out)
		return mnt
	}
	if out, err := exec.Command("mount", "-o", "loop", img, mnt).CombinedOutput(); err != nil {
		t.Logf("mount: %v %s; using a plain directory", err, out)
		return mnt
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return mnt
}

// serve opens dir, made if need be, as a brick until the test ends.
func serve(t testing.TB, dir string, opts ...string) *brick {
	t.Helper()
	if err := os.MkdirAll(dir, 0755); err != nil {
		t.Fatal(err)
	}
	b, err := start(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func start(dir string, opts ...string) (*brick, error) {
	o := xlator.Options{"directory": dir, "health-check-interval": "0"}
	for i := 0; i < len(opts); i += 2 {
		o[opts[i]] = opts[i+1]
	}
	x, err := New(xlator.Env{Name: "v-posix"}, o, nil)
	if err != nil {
		return nil, err
	}
	return x.(*brick), nil
}

func TestConformance(t *testing.T) {
	mnt := xfs(t)
	var n atomic.Int32
	xlatortest.Run(t, func(t *testing.T) xlator.Xlator {
		return serve(t, filepath.Join(mnt, strconv.Itoa(int(n.Add(1)))))
	})
}
