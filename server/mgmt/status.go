package mgmt

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// Status implements mgmt.Service. Bricks of nodes that do not answer are not in it.
func (d *Daemon) Status(ctx context.Context, q *mgmt.StatusReq) (*mgmt.StatusReply, error) {
	s := d.store.State()
	if q.Name == "" || q.Name == all {
		return d.withDaemons(ctx, q, d.statusEverywhere(ctx, q, s.Names())), nil
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	if v.Status != store.Started {
		return nil, mgmt.Errorf("Volume %s is not started", v.Name)
	}
	q.Brick = brickCalled(q.Brick)
	if !hasBrick(v, q.Brick) {
		return nil, mgmt.Errorf("No brick %s in volume %s", q.Brick, q.Name)
	}
	return d.withDaemons(ctx, q, d.statusEverywhere(ctx, q, []string{v.Name})), nil
}

// withDaemons adds the heal daemons to the volumes of r, where they belong.
func (d *Daemon) withDaemons(ctx context.Context, q *mgmt.StatusReq, r *mgmt.StatusReply) *mgmt.StatusReply {
	if q.Brick != "" || q.Detail || q.View != "" {
		return r
	}
	s := d.store.State()
	var wg sync.WaitGroup
	for i := range r.Volumes {
		if v := s.Volumes[r.Volumes[i].Name]; v != nil {
			wg.Go(func() { r.Volumes[i].Daemons = d.healerStates(ctx, v) })
		}
	}
	wg.Wait()
	return r
}

// localStatus is Status of this node's bricks.
func (d *Daemon) localStatus(ctx context.Context, q *mgmt.StatusReq) (*mgmt.StatusReply, error) {
	ctx, cancel := context.WithTimeout(ctx, readingOf(q)*2/3)
	defer cancel()
	s := d.store.State()
	r := &mgmt.StatusReply{Volumes: []mgmt.VolumeStatus{}}
	for name, v := range s.Volumes {
		if v.Status == store.Started && (q.Name == "" || q.Name == all || q.Name == name) {
			r.Volumes = append(r.Volumes, mgmt.VolumeStatus{Name: name, Bricks: d.brickStates(ctx, v, q)})
		}
	}
	return r, nil
}

// brickStates asks all local bricks of v, or the one of q, at once.
func (d *Daemon) brickStates(ctx context.Context, v *store.Volume, q *mgmt.StatusReq) []mgmt.BrickState {
	out := []mgmt.BrickState{}
	for i, b := range v.Bricks {
		if b.Node == d.uuid && (q.Brick == "" || q.Brick == b.Host+":"+b.Path) {
			out = append(out, mgmt.BrickState{Brick: describeBrick(v, i)})
		}
	}
	var wg sync.WaitGroup
	for i := range out {
		b := &out[i]
		wg.Go(func() {
			st := d.bricks.State(ctx, b.Path)
			b.Online, b.Reason, b.Clients = st.Online, st.Reason, st.Clients
			if st.Online {
				b.Port, b.PID = st.Port, st.PID
			}
			if why := d.whyHeld(v, b.ID); why != "" {
				b.Reason = why
			}
			if q.Detail {
				b.Disk = diskOf(b.Path)
			}
			if q.View != "" && st.Online {
				b.View = d.viewOf(ctx, b.Path, q.View)
			}
		})
	}
	wg.Wait()
	return out
}

// diskOf describes the filesystem that dir is on; nil if it cannot be had.
func diskOf(dir string) *mgmt.Disk {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return nil
	}
	size := uint64(st.Bsize)
	disk := &mgmt.Disk{BlockSize: int64(st.Bsize), Total: st.Blocks * size, Free: st.Bfree * size, Inodes: st.Files, FreeInodes: st.Ffree}
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return disk
	}
	defer f.Close()
	longest := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 {
			continue
		}
		at := unescape(fields[1])
		if len(at) < longest || dir != at && at != "/" && !strings.HasPrefix(dir, at+"/") {
			continue
		}
		longest = len(at)
		disk.Device, disk.FS, disk.Options = unescape(fields[0]), fields[2], fields[3]
	}
	if disk.FS == "xfs" {
		disk.InodeSize = xfsInodeSize(dir)
	}
	return disk
}

// unescape undoes the octal escapes of blanks in /proc/self/mounts.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
