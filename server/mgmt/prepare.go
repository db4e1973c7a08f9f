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
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/brickid"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// Extended attributes of a brick's root.
const (
	volumeIDAttr = "trusted.glusterfs.volume-id" // 16 bytes
	gfidAttr     = "trusted.gfid"
	testAttr     = "trusted.glusterfs.test"
	marksPrefix  = "trusted.afr." // and what they are about: counters of data, metadata, names; 32 bits each
)

// prepared is what was done to one brick's directory, to be undone.
type prepared struct {
	volumeID string
	brick    store.Brick
	path     string
	made     bool   // the directory
	marked   bool   // the volume-id was set
	before   []byte // the volume-id that was there; nil: none
	madeMeta bool   // .glusterfs
	named    bool   // brickid.Write
	name     string // what brickid.Read was before
}

// used tells whether the directory has come to be the brick that it was prepared for.
func (p *prepared) used(s *store.State) bool {
	b, ok := s.BrickAt(p.volumeID, p.brick.Node, p.path)
	return ok && b.Disk == p.brick.Disk
}

// preparedBricks are the directories that were prepared on this node for bricks that
// may come to be.
type preparedBricks struct {
	mu      sync.Mutex
	byOrder map[string]preparation // guarded by mu
}

// A preparation is what was done on this node for an order.
type preparation struct {
	bricks []*prepared
	at     time.Time
}

// abandoned is how long a preparation keeps other volumes away from its directories if
// it is neither used nor taken back: who asked for it has died.
const abandoned = 30 * time.Second

// takenBy returns the order that path is being prepared for, or "".
func (m *preparedBricks) takenBy(path string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, p := range m.byOrder {
		if time.Since(p.at) < abandoned && slices.ContainsFunc(p.bricks, func(b *prepared) bool { return b.path == path }) {
			return id
		}
	}
	return ""
}

// givingWay is the pause after which a preparation looks again whether another one, which
// has its directories, has given up or had its way.
const givingWay = 10 * time.Millisecond

// prepareHere checks and marks the directories of those of v's bricks that are this node's; if
// it fails they are left as they were. Of orders that want the same directories at the same time one
// must succeed: the one with the smallest name waits where another was first, and the
// others are refused at once and take back what they hold elsewhere.
func (d *Daemon) prepareHere(ctx context.Context, v *store.Volume, q *mgmt.PrepareReq) error {
	ctx, cancel := context.WithTimeout(ctx, ordering/2) // who asked must not have given up before
	defer cancel()
	for {
		rival, err := d.tryPrepare(v, q)
		if err == nil || rival <= q.Order {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(givingWay):
		}
	}
}

// tryPrepare does prepareHere once, and names the order that was first, if that is why
// it failed.
func (d *Daemon) tryPrepare(v *store.Volume, q *mgmt.PrepareReq) (rival string, err error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	for _, b := range v.Bricks {
		if b.Node != d.uuid {
			continue
		}
		s := d.store.State()
		_, own := s.BrickAt(v.ID, b.Node, b.Path)
		rival = d.made.takenBy(b.Path)
		if rival != "" || s.Overlap(b.Node, b.Path) != "" && !(q.Same && own) {
			return rival, mgmt.Errorf("Brick: %s:%s not available. Brick may be containing or be contained by an existing brick.", b.Host, b.Path)
		}
	}
	return "", d.prepareAll(v, q)
}

// prepareAll prepares this node's bricks, or none. d.changing is held.
func (d *Daemon) prepareAll(v *store.Volume, q *mgmt.PrepareReq) error {
	var done []*prepared
	err := d.prepareEach(v, q, &done)
	if err != nil {
		d.undo(done)
		return err
	}
	d.made.mu.Lock()
	defer d.made.mu.Unlock()
	if d.made.byOrder == nil {
		d.made.byOrder = map[string]preparation{}
	}
	d.made.byOrder[q.Order] = preparation{done, time.Now()}
	return nil
}

func (d *Daemon) prepareEach(v *store.Volume, q *mgmt.PrepareReq, done *[]*prepared) error {
	for _, b := range v.Bricks {
		if b.Node != d.uuid {
			continue
		}
		p := &prepared{volumeID: v.ID, brick: b, path: b.Path}
		*done = append(*done, p)
		if err := p.directory(&b, q.Force || q.Same); err != nil {
			return err
		}
		if err := p.check(q); err != nil {
			return err
		}
		if err := p.mark(); err != nil {
			return err
		}
		if q.Joins {
			if err := brickid.SyncDir(p.path); err != nil {
				return mgmt.Errorf("Failed to write to %s, reason: %s", p.path, reason(err))
			}
		}
	}
	return nil
}

// unprepareHere takes back what prepareHere did for bricks that did not come to be.
func (d *Daemon) unprepareHere(order string) {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.made.mu.Lock()
	done := d.made.byOrder[order].bricks
	delete(d.made.byOrder, order)
	d.made.mu.Unlock()
	s := d.store.State()
	d.undo(slices.DeleteFunc(done, func(p *prepared) bool { return p.used(s) }))
}

func (d *Daemon) undo(done []*prepared) {
	for _, p := range slices.Backward(done) {
		p.undo(d.cfg.Log)
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

// check refuses a directory that is not fit to be the brick that q asks for. One that is to be
// filled by healing loses the attributes that it has from an earlier use.
func (p *prepared) check(q *mgmt.PrepareReq) error {
	switch {
	case q.Same:
		return p.checkSame(q.Force)
	case !q.Force:
		if err := checkUnused(p.path); err != nil {
			return err
		}
	}
	if !q.Joins {
		return nil
	}
	found, err := content(p.path)
	if err != nil {
		return err
	}
	if found != "" {
		return mgmt.Errorf("%s:%s holds %s: a brick that is to be filled has to be empty; empty it, .glusterfs too, or name another directory", p.brick.Host, p.path, found)
	}
	return p.toBeFilled()
}

// checkSame refuses what is not an emptied directory, unless it is forced and the directory is
// this very brick with what it held.
func (p *prepared) checkSame(force bool) error {
	found, err := content(p.path)
	if err != nil {
		return err
	}
	id, err := getxattr(p.path, volumeIDAttr)
	if err != nil && !errors.Is(err, unix.ENODATA) {
		return mgmt.Errorf("Failed to get extended attribute %s, reason: %s", volumeIDAttr, reason(err))
	}
	own, _ := parseUUID(p.volumeID)
	name, err := brickid.Read(p.path)
	if err != nil {
		return err
	}
	name, _, _ = strings.Cut(name, "#")
	switch {
	case !force && (found != "" || id != nil):
		return mgmt.Errorf("Brick not available.It may be containing or be contained by an existing brick.Use 'force' option to override this.")
	case found == "":
		return p.toBeFilled()
	case id == nil:
		return mgmt.Errorf("%s:%s holds %s and is no brick: empty it, or mount the brick's disk", p.brick.Host, p.path, found)
	case !bytes.Equal(id, own[:]):
		return mgmt.Errorf("%s:%s is a brick of another volume: empty it, or mount the brick's disk", p.brick.Host, p.path)
	case name != "" && name != p.brick.ID:
		return mgmt.Errorf("%s:%s is brick %s of the volume and not %s: disks or paths were exchanged; put each where it belongs", p.brick.Host, p.path, name, p.brick.ID)
	}
	return p.mustHeal()
}

// content returns the name of something that dir holds, "" if it is as good as empty.
func content(dir string) (string, error) {
	for _, d := range []string{dir, filepath.Join(dir, ".glusterfs")} {
		list, err := os.ReadDir(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", mgmt.Errorf("Cannot look into %s, reason: %s", d, reason(err))
		}
		for _, e := range list {
			name := e.Name()
			if d == dir && (name == ".glusterfs" || name == "lost+found") || d != dir && strings.HasPrefix(name, brickid.File) {
				continue // left by an order that was cut short, perhaps
			}
			return strings.TrimPrefix(filepath.Join(d, name), dir+"/"), nil
		}
	}
	return "", nil
}

// toBeFilled makes an empty directory the root of a copy that lacks everything.
func (p *prepared) toBeFilled() error {
	names, err := listxattr(p.path)
	if err != nil {
		return mgmt.Errorf("Failed to list extended attributes of %s, reason: %s", p.path, reason(err))
	}
	for _, name := range names {
		if strings.HasPrefix(name, "trusted.") {
			if err := unix.Lremovexattr(p.path, name); err != nil {
				return mgmt.Errorf("Failed to remove extended attribute %s, reason: %s", name, reason(err))
			}
		}
	}
	return p.mustHeal()
}

// mustHeal writes on the brick's own root that it has missed changes: as GlusterFS does, that
// its names have to be looked at; and that it accuses itself, for those who reach none of the
// bricks that know.
func (p *prepared) mustHeal() error {
	for name, mark := range map[string][]byte{
		marksPrefix + "dirty":    {11: 1}, // names
		marksPrefix + p.brick.ID: {3: 1, 7: 1, 11: 1},
	} {
		if err := unix.Lsetxattr(p.path, name, mark, 0); err != nil {
			return mgmt.Errorf("Failed to set extended attributes %s, reason: %s", name, reason(err))
		}
	}
	return nil
}

// mark makes the directory the volume's brick.
func (p *prepared) mark() error {
	b := &p.brick
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
	id, ok := parseUUID(p.volumeID)
	if !ok {
		return mgmt.Errorf("%s is not a volume id", p.volumeID)
	}
	err = os.Mkdir(filepath.Join(b.Path, ".glusterfs"), 0o600)
	p.madeMeta = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return mgmt.Errorf("Failed to create the directory %s/.glusterfs, reason: %s", b.Path, reason(err))
	}
	if p.name, err = brickid.Read(b.Path); err != nil {
		return err
	}
	// A volume's first bricks record it themselves when they first serve.
	if p.name != "" || b.Disk > 0 {
		p.named = true
		if err := brickid.Write(b.Path, brickOf(b).Identity()); err != nil {
			return err
		}
	}
	if err := unix.Lsetxattr(b.Path, volumeIDAttr, id[:], 0); err != nil {
		return mgmt.Errorf("Failed to set extended attributes %s, reason: %s", volumeIDAttr, reason(err))
	}
	p.marked = true
	return nil
}

// undo takes back what was done to the directory, unless another volume has taken it
// since.
func (p *prepared) undo(log *slog.Logger) {
	var errs []error
	if now, err := getxattr(p.path, volumeIDAttr); p.marked && err == nil {
		if id, _ := parseUUID(p.volumeID); !bytes.Equal(now, id[:]) {
			return
		}
	}
	if p.named {
		errs = append(errs, brickid.Write(p.path, p.name))
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
	if errors.Is(err, unix.ENODATA) {
		return mgmt.Errorf("Failed to get extended attribute %s for brick dir %s. Reason : %s. If its disk is not mounted, mount it; a new or emptied one is filled with volume start force and volume reset-brick", volumeIDAttr, dir, reason(err))
	}
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

// listxattr returns the names of the extended attributes.
func listxattr(path string) ([]string, error) {
	b := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Llistxattr(path, b)
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(b[:n]), func(r rune) bool { return r == 0 }), nil
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
