package brick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/brickid"
)

// age recognises a disk that is older than when its brick last served: one that was restored
// from a backup, or lost what it had confirmed. Nobody blames it for what it is without, so
// that its old content would be taken for the truth.
//
// The health check writes the time to the brick's disk. This keeps, on the machine's, up to
// when the brick is known to have served, which is never later.
type age struct {
	record string // file; "": none is kept
	dir    string // the brick's
	volume string // volume-id
	id     string // brick-id, see package brickid
}

// brick is whose record is meant: another's says nothing.
func (a *age) brick() string { return a.volume + " " + a.id }

// stranger tells whether the directory is no brick or another one, which is the business of
// others to say.
func (a *age) stranger() bool {
	id, err := brickid.Read(a.dir)
	if err != nil || id != "" && id != a.id {
		return true
	}
	_, err = unix.Lgetxattr(a.dir, "trusted.glusterfs.volume-id", nil)
	return err != nil
}

// served is the record.
type served struct {
	Brick string    `json:"brick"`
	Until time.Time `json:"until"`
}

// ageEvery is how often the record follows the health check.
const ageEvery = 5 * time.Second

func (a *age) healthFile() string { return filepath.Join(a.dir, ".glusterfs", "health_check") }

// onDisk returns what the brick's disk says; zero if it says nothing.
func (a *age) onDisk() time.Time {
	text, err := os.ReadFile(a.healthFile())
	if err != nil {
		return time.Time{} // a new brick; posix complains of all else
	}
	t, err := time.Parse("2006-01-02 15:04:05 -0700", string(text))
	if err != nil {
		return time.Time{} // GlusterFS's
	}
	return t
}

// recorded returns the record; zero if it is not of this brick.
func (a *age) recorded() (served, error) {
	var s served
	text, err := os.ReadFile(a.record)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read until when the brick served: %w", err)
	}
	if json.Unmarshal(text, &s) != nil || s.Brick != a.brick() {
		return served{}, nil // a torn record is as good as none
	}
	return s, nil
}

// check refuses a disk that is too old.
func (a *age) check() error {
	if a.record == "" || a.stranger() {
		return nil
	}
	s, err := a.recorded()
	if err != nil {
		return err
	}
	if t := a.onDisk(); t.Before(s.Until) {
		has := "nothing of when"
		if !t.IsZero() {
			has = t.UTC().Format(time.DateTime)
		}
		return fmt.Errorf("brick %s served until %s, but its disk says %s: it was restored from a backup, or lost what it had confirmed, and its old content would be taken for the truth. Fill it anew with gofs volume reset-brick; if all copies were restored together, remove %s",
			a.dir, s.Until.UTC().Format(time.DateTime), has, a.record)
	}
	return nil
}

// note brings the record up to date.
func (a *age) note() error {
	t := a.onDisk()
	if a.record == "" || t.IsZero() {
		return nil
	}
	if s, err := a.recorded(); err == nil && s.Until.Equal(t) {
		return nil
	}
	if err := a.settle(); err != nil {
		return err
	}
	text, err := json.Marshal(served{a.brick(), t})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(a.record), 0o755)
	}
	if err == nil {
		err = os.WriteFile(a.record+".new", text, 0o644)
	}
	if err == nil {
		err = os.Rename(a.record+".new", a.record)
	}
	return err
}

// settle has the disk keep what it says: a health check may be under way whose time is read
// before it is on the disk, and a loss of power would make the record later than the disk.
func (a *age) settle() error {
	f, err := os.Open(a.healthFile())
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// keep notes until ctx ends.
func (a *age) keep(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(ageEvery)
	defer tick.Stop()
	said := ""
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		if err := a.note(); err != nil && err.Error() != said {
			said = err.Error()
			log.Warn("cannot record until when the brick served", "file", a.record, "error", err)
		}
	}
}
