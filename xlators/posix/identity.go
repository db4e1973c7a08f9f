package posix

import (
	"fmt"
	"strings"

	"github.com/gofs/gofs/brickid"
)

// checkIdentity refuses a directory that is another brick than id.
func (b *brick) checkIdentity(id string) error {
	if id == "" {
		return nil
	}
	has, err := brickid.Read(b.dir)
	if err != nil || has == "" || has == id {
		return err
	}
	brick, _, _ := strings.Cut(id, "#")
	if earlier, _, _ := strings.Cut(has, "#"); earlier == brick {
		return fmt.Errorf("directory %s is an earlier one of brick %s, which was replaced since; mount the present disk, or fill this one anew with gofs volume reset-brick", b.dir, brick)
	}
	return fmt.Errorf("directory %s is brick %s and not %s: disks or paths were exchanged; put each where it belongs", b.dir, has, id)
}
