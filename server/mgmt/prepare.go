package mgmt

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// Extended attributes of a brick's root.
const (
	volumeIDAttr = "trusted.glusterfs.volume-id" // 16 bytes
	gfidAttr     = "trusted.gfid"
	testAttr     = "trusted.glusterfs.test"
)

// prepared is what was done to one brick's directory, to be undone.
type prepared struct {
	path     string
	made     bool   // the directory
	marked   bool   // the volume-id was set
	before   []byte // the volume-id that was there; nil: none
	madeMeta bool   // .glusterfs
}

// preparedBricks are the directories that were prepared on this node for volumes that
// may come to be.
type preparedBricks struct {
	mu   sync.Mutex
	byID map[string]preparation // guarded by mu; by volume id
}

// A preparation is what was done on this node for a volume.
type preparation struct {
	bricks []*prepared
	at     time.Time
}

// abandoned is how long a preparation keeps other volumes away from its directories if
// it is neither used nor taken back: who asked for it has died.
const abandoned = 30 * time.Second

// takenBy returns the id of the volume that path is being prepared for, or "".
func (m *preparedBricks) takenBy(path string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, p := range m.byID {
		if time.Since(p.at) < abandoned && slices.ContainsFunc(p.bricks, func(b *prepared) bool { return b.path == path }) {
			return id
		}
	}
	return ""
}

// givingWay is the pause after which a preparation looks again whether another one, which
// has its directories, has given up or become a volume.
const givingWay = 10 * time.Millisecond

// prepareHere checks and marks the directories of this node's bricks; if it fails they
// are left as they were. Of creations that want the same directories at the same time one
// must succeed: that of the smallest volume id waits where another was first, and the
// others are refused at once and take back what they hold elsewhere.
func (d *Daemon) prepareHere(ctx context.Context, v *store.Volume, force bool) error {
	ctx, cancel := context.WithTimeout(ctx, ordering/2) // who asked must not have given up before
	defer cancel()
	for {
		rival, err := d.tryPrepare(v, force)
		if err == nil || rival <= v.ID {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(givingWay):
		}
	}
}

// tryPrepare does prepareHere once, and names the volume that was first, if that is why
// it failed.
func (d *Daemon) tryPrepare(v *store.Volume, force bool) (rival string, err error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	for _, b := range v.Bricks {
		if b.Node != d.uuid {
			continue
		}
		rival = d.made.takenBy(b.Path)
		if rival != "" || d.store.State().Overlap(b.Node, b.Path) != "" {
			return rival, mgmt.Errorf("Brick: %s:%s not available. Brick may be containing or be contained by an existing brick.", b.Host, b.Path)
		}
	}
	return "", d.prepareAll(v, force)
}

// prepareAll prepares this node's bricks, or none. d.changing is held.
func (d *Daemon) prepareAll(v *store.Volume, force bool) error {
	var done []*prepared
	err := d.prepareEach(v, force, &done)
	if err != nil {
		undo(done, v.ID, d.cfg.Log)
		return err
	}
	d.made.mu.Lock()
	defer d.made.mu.Unlock()
	if d.made.byID == nil {
		d.made.byID = map[string]preparation{}
	}
	d.made.byID[v.ID] = preparation{done, time.Now()}
	return nil
}

func (d *Daemon) prepareEach(v *store.Volume, force bool, done *[]*prepared) error {
	for _, b := range v.Bricks {
		if b.Node != d.uuid {
			continue
		}
		p := &prepared{path: b.Path}
		*done = append(*done, p)
		if err := p.directory(&b, force); err != nil {
			return err
		}
		if err := p.mark(v.ID, &b, force); err != nil {
			return err
		}
	}
	return nil
}

// unprepareHere takes back what prepareHere did for a volume that did not come to be.
func (d *Daemon) unprepareHere(volumeID string) {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.made.mu.Lock()
	done := d.made.byID[volumeID].bricks
	delete(d.made.byID, volumeID)
	d.made.mu.Unlock()
	if !d.store.State().HasVolume(volumeID) {
		undo(done, volumeID, d.cfg.Log)
	}
}

func undo(done []*prepared, volumeID string, log *slog.Logger) {
	for _, p := range slices.Backward(done) {
		p.undo(volumeID, log)
	}
}

// directory makes the brick's directory if it is missing and checks where it is.
func (p *prepared) directory(b *store.Brick, force bool) error {
	err := os.Mkdir(b.Path, 0o755)
	p.made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return mgmt.Errorf("Failed to create brick directory for brick %s:%s. Reason : %s ", b.Host, b.Path, reason(err))
	}
	var dir, parent, root unix.Stat_t
	if err := unix.Lstat(b.Path, &dir); err != nil {
		return mgmt.Errorf("lstat failed on %s. Reason : %s", b.Path, reason(err))
	}
	if dir.Mode&unix.S_IFMT != unix.S_IFDIR {
		return mgmt.Errorf("The provided path %s which is already present, is not a directory", b.Path)
	}
	if force {
		return nil
	}
	if err := errors.Join(unix.Lstat(filepath.Dir(b.Path), &parent), unix.Lstat("/", &root)); err != nil {
		return mgmt.Errorf("lstat failed on %s. Reason : %s", filepath.Dir(b.Path), reason(err))
	}
	const override = "Or use 'force' at the end of the command if you want to override this behavior."
	switch {
	case dir.Dev != parent.Dev:
		return mgmt.Errorf("The brick %s:%s is a mount point. Please create a sub-directory under the mount point and use that as the brick directory. "+override, b.Host, b.Path)
	case parent.Dev == root.Dev:
		return mgmt.Errorf("The brick %s:%s is being created in the root partition. It is recommended that you don't use the system's root partition for storage backend. "+override, b.Host, b.Path)
	}
	return nil
}

// mark makes the directory the volume's, unless it or one above it is another's.
func (p *prepared) mark(volumeID string, b *store.Brick, force bool) error {
	if !force {
		if err := checkUnused(b.Path); err != nil {
			return err
		}
	}
	if err := unix.Lsetxattr(b.Path, testAttr, []byte("working\x00"), 0); err != nil {
		return mgmt.Errorf("Glusterfs is not supported on brick: %s:%s.\nSetting extended attributes failed, reason: %s.", b.Host, b.Path, reason(err))
	}
	if err := unix.Lremovexattr(b.Path, testAttr); err != nil {
		return mgmt.Errorf("Removing test extended attribute failed, reason: %s", reason(err))
	}
	before, err := getxattr(b.Path, volumeIDAttr)
	if err != nil && !errors.Is(err, unix.ENODATA) {
		return mgmt.Errorf("Failed to get extended attribute %s, reason: %s", volumeIDAttr, reason(err))
	}
	p.before = before
	id, ok := parseUUID(volumeID)
	if !ok {
		return mgmt.Errorf("%s is not a volume id", volumeID)
	}
	if err := unix.Lsetxattr(b.Path, volumeIDAttr, id[:], 0); err != nil {
		return mgmt.Errorf("Failed to set extended attributes %s, reason: %s", volumeIDAttr, reason(err))
	}
	p.marked = true
	err = os.Mkdir(filepath.Join(b.Path, ".glusterfs"), 0o600)
	p.madeMeta = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return mgmt.Errorf("Failed to create the directory %s/.glusterfs, reason: %s", b.Path, reason(err))
	}
	return nil
}

// undo takes back what was done to the directory, unless another volume has taken it
// since.
func (p *prepared) undo(volumeID string, log *slog.Logger) {
	var errs []error
	if now, err := getxattr(p.path, volumeIDAttr); p.marked && err == nil {
		if id, _ := parseUUID(volumeID); !bytes.Equal(now, id[:]) {
			return
		}
	}
	if p.madeMeta {
		errs = append(errs, os.Remove(filepath.Join(p.path, ".glusterfs")))
	}
	if p.marked && p.before == nil {
		errs = append(errs, unix.Lremovexattr(p.path, volumeIDAttr))
	} else if p.marked {
		errs = append(errs, unix.Lsetxattr(p.path, volumeIDAttr, p.before, 0))
	}
	if p.made {
		errs = append(errs, os.Remove(p.path))
	}
	if err := errors.Join(errs...); err != nil {
		log.Warn("cannot take back what was done to a brick's directory", "brick", p.path, "error", err)
	}
}

// checkUnused refuses a directory that is, or is in, a brick: perhaps of a volume that
// was deleted or that another machine knows.
func checkUnused(dir string) error {
	for d := dir; d != "/"; d = filepath.Dir(d) {
		for _, attr := range []string{volumeIDAttr, gfidAttr} {
			_, err := getxattr(d, attr)
			switch {
			case err == nil && d == dir:
				return mgmt.Errorf("%s is already part of a volume", d)
			case err == nil:
				return mgmt.Errorf("parent directory %s is already part of a volume", d)
			case !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP):
				return mgmt.Errorf("Failed to get extended attribute %s, reason: %s", attr, reason(err))
			}
		}
	}
	return nil
}

// checkStart refuses a brick that cannot be the volume's: its disk is not mounted, or it
// is another's.
func checkStart(v *store.Volume, host, dir string) error {
	if st, err := os.Lstat(dir); err != nil || !st.IsDir() {
		if err == nil {
			err = syscall.ENOTDIR
		}
		return mgmt.Errorf("Failed to find brick directory %s for volume %s. Reason : %s", dir, v.Name, reason(err))
	}
	got, err := getxattr(dir, volumeIDAttr)
	if err != nil {
		return mgmt.Errorf("Failed to get extended attribute %s for brick dir %s. Reason : %s", volumeIDAttr, dir, reason(err))
	}
	if want, _ := parseUUID(v.ID); !bytes.Equal(got, want[:]) {
		var other [16]byte
		copy(other[:], got)
		return mgmt.Errorf("Volume id mismatch for brick %s:%s. Expected volume id %s, volume id %s found", host, dir, v.ID, formatUUID(other))
	}
	return nil
}

// getxattr returns a short extended attribute.
func getxattr(path, name string) ([]byte, error) {
	b := make([]byte, 256)
	n, err := unix.Lgetxattr(path, name, b)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// reason is an error in the C library's words, as GlusterFS prints it.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return cWords(errno)
	}
	return err.Error()
}

// cWords capitalizes Go's text of an errno, which otherwise is the C library's.
func cWords(errno syscall.Errno) string {
	s := []byte(errno.Error())
	if len(s) > 1 && 'a' <= s[0] && s[0] <= 'z' {
		s[0] -= 'a' - 'A'
	}
	return string(s)
}
