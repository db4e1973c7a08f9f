package posix

import (
	"fmt"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// modes are what the administrator says about the permissions of new objects: some are
// taken away, some are given, whatever the creator asked for.
type modes struct{ mask, force uint32 }

// newModes reads the options KIND-mask and force-KIND-mode.
func newModes(opts xlator.Options, mask, force string) (modes, error) {
	m, err := opts.Int(mask, 0777)
	if err != nil {
		return modes{}, err
	}
	f, err := opts.Int(force, 0)
	if err != nil {
		return modes{}, err
	}
	if m < 0 || m > 0777 || f < 0 || f > 0777 {
		return modes{}, fmt.Errorf("options %s and %s are permissions from 0 to 0777", mask, force)
	}
	return modes{uint32(m), uint32(f)}, nil
}

// of returns the mode of a new object. Umask takes nothing of what is forced; pointers
// of DHT, which are known by having no permissions but the sticky bit, stay what they are.
func (m modes) of(mode, umask uint32) uint32 {
	if mode&07777 == syscall.S_ISVTX {
		return mode
	}
	return mode&^0777 | mode&0777&m.mask&^umask | m.force
}

// modesFor returns what holds for a type of object.
func (b *brick) modesFor(typ fop.FileType) modes {
	if typ == fop.TypeDir {
		return b.dirModes
	}
	return b.fileModes
}
