package brick

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/brickid"
)

// power recognises that the machine lost power, or the disk its filesystem, while the brick
// served: what had not reached the disk is gone then, the brick's own marks with it.
//
// While it serves, a file in .glusterfs says under which kernel and which mount. Who finds it
// and serves under another one comes after a loss. A brick that was only killed finds its own:
// the kernel has kept what it wrote. One that stopped in order has removed it. In doubt it was
// a loss: looking after a brick that has lost nothing costs some healing that finds nothing.
type power struct {
	dir string // the brick's
	now string // what the file says while this process serves
}

// servesFile is its name in .glusterfs. GlusterFS looks at none that it does not know there; and
// an order that empties a directory of a brick takes what begins with brickid.File for ours.
const servesFile = brickid.File + "-serves"

// bootIDFile is another one after each start of the kernel.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// newPower is of the brick in dir, as it is mounted now.
func newPower(dir string) (*power, error) {
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return nil, fmt.Errorf("cannot tell whether the machine lost power: %w", err)
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_MNT_ID_UNIQUE, &st); err != nil {
		return nil, fmt.Errorf("cannot tell how %s is mounted: %w", dir, err)
	}
	mount := "" // kernels before 6.8 number mounts, but use the numbers again
	if st.Mask&unix.STATX_MNT_ID_UNIQUE != 0 {
		mount = fmt.Sprint(st.Mnt_id)
	}
	return &power{dir: dir, now: fmt.Sprintf("boot %s\nmount %s\n", strings.TrimSpace(string(boot)), mount)}, nil
}

func (p *power) file() string { return filepath.Join(p.dir, ".glusterfs", servesFile) }

// lost reports whether the brick served under another kernel or mount and did not stop in
// order. What cannot be read says so, too. recorded: the file is right as it is.
func (p *power) lost() (lost, recorded bool) {
	f, err := os.Open(p.file())
	if errors.Is(err, fs.ErrNotExist) {
		return false, false
	}
	if err != nil {
		return true, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(len(p.now)+1)))
	same := err == nil && string(text) == p.now
	return !same, same
}

// record notes, durably, that the brick serves now.
func (p *power) record() error {
	if err := brickid.Replace(p.file(), p.now); err != nil {
		return fmt.Errorf("cannot record that the brick %s serves: %w", p.dir, err)
	}
	return nil
}

// stopped notes that the brick has stopped in order, when all that it has is on the disk.
func (p *power) stopped() error {
	err := syncAll(filepath.Dir(p.file()))
	if err == nil {
		err = os.Remove(p.file())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = brickid.SyncDir(filepath.Dir(p.file()))
	}
	if err != nil {
		return fmt.Errorf("cannot record that the brick %s has stopped: %w", p.dir, err)
	}
	return nil
}

// syncAll puts all of the filesystem of dir on the disk.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
