package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/gofs/gofs/xlators/fop"
)

// What several clients change at once is judged by porcupine, as registers: names in one
// directory, and the content, mode and an xattr of files that are always there.

// A sharer is what one client does to what is shared with others.
type sharer struct {
	*owner // for its client and its luck; it has no names of its own
	log    *openFile
}

// The registers.
const (
	sharedNames = 3 // c0…: made, removed, renamed
	sharedLinks = 2 // h0…: made as links of those, and removed
	sharedFiles = 2
)

// absent is the value of a name that refers to nothing; anything that of one that may
// refer to whatever had another name, after a rename that was not acknowledged.
const (
	absent   = "none"
	anything = "*"
)

// A touch is one operation on one register, as porcupine sees it.
type touch struct {
	kind  touchKind
	value string
}

type touchKind int

const (
	saw    touchKind = iota // it had this value
	exists                  // it had some value but absent
	set                     // it has this value now
	tried                   // as set, but without an acknowledgement: perhaps
	took                    // it had this value, and is absent now
	made                    // it was absent, and has this value now
)

// possibilities are the values that a register may have: one, but for operations that
// were not acknowledged, which some copies may have seen.
var registers = porcupine.Model{
	Init: func() any { return []string{absent} },
	Step: func(state, input, _ any) (bool, any) {
		may, t := state.([]string), input.(touch)
		has := slices.Contains(may, t.value) || t.value != absent && slices.Contains(may, anything)
		switch t.kind {
		case saw:
			return has, may
		case exists:
			return slices.ContainsFunc(may, func(v string) bool { return v != absent }), may
		case set:
			return true, []string{t.value}
		case tried:
			if has {
				return true, may
			}
			out := append(slices.Clone(may), t.value)
			slices.Sort(out)
			return true, out
		case took:
			return has, []string{absent}
		case made:
			return slices.Contains(may, absent), []string{t.value}
		}
		return false, may
	},
	Equal:             func(a, b any) bool { return slices.Equal(a.([]string), b.([]string)) },
	DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
}

// A record is what was done to all registers.
type record struct {
	mu   sync.Mutex
	ops  map[string][]porcupine.Operation // guarded by mu; by register
	logs []appended                       // guarded by mu
}

// appended is text that was appended to the shared log.
type appended struct {
	text      string
	call, end int64
	ok        bool
}

func newRecord() *record {
	return &record{ops: map[string][]porcupine.Operation{}}
}

// instant orders what happens; the clock's nanoseconds, and nothing happens in none.
func instant() int64 { return int64(order.Add(1)) + time.Now().UnixNano() }

// note records an operation of a client that began at call and ends now.
func (r *record) note(c *client, register string, call int64, t touch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops[register] = append(r.ops[register], porcupine.Operation{ClientId: c.id, Input: t, Call: call, Return: instant()})
}

// check has porcupine judge each register.
func (r *record) check(t testing.TB) (ok bool) {
	ok = true
	for name, ops := range r.ops {
		if porcupine.CheckOperationsTimeout(registers, ops, time.Minute) != porcupine.Illegal {
			continue
		}
		ok = false
		t.Errorf("what clients saw of %s is not linearisable:", name)
		slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		for _, o := range ops {
			t.Logf("  client %d %d-%d %v", o.ClientId, o.Call-ops[0].Call, o.Return-ops[0].Call, o.Input)
		}
	}
	return ok
}

func (t touch) String() string {
	return [...]string{"saw ", "exists ", "set ", "tried to set ", "took ", "made "}[t.kind] + t.value
}

// share makes what is shared, while all is well.
func (s *sim) share(rng *rand.Rand) {
	c := s.clients[0]
	for i := range sharedFiles + 1 {
		g := gfid(rng)
		r, err := c.Create(ctx, &fop.CreateReq{Req: req(), Parent: fop.RootGFID, Name: fmt.Sprint("s", i), GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
		if err == nil {
			r.File.Close()
			_, err = c.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: g, Xattrs: []fop.Xattr{{Name: "user.x", Value: []byte("0")}}})
		}
		if err != nil {
			s.t.Fatal(err)
		}
		s.files = append(s.files, g)
		for attr, v := range map[string]string{"data": "", "mode": "644", "xattr": "0"} {
			s.record.note(c, fmt.Sprint(attr, i), instant(), touch{set, v})
		}
	}
}

func (s *sharer) run() {
	for time.Since(s.s.start) < length && !s.c.isDead() && !s.s.hasFailed() {
		s.n++
		at := time.Now()
		what, err := s.step()
		took := time.Since(at)
		s.s.logf("client %d shares: %s: %v (%v)", s.c.id, what, err, took)
		switch {
		case s.c.isDead():
		case isViolation(err):
			s.s.fail("client %d, %s: %v", s.c.id, what, err)
		case took > longest:
			s.s.fail("client %d, %s took %v", s.c.id, what, took)
		case (s.s.calm || s.s.masked()) && err != nil:
			s.s.fail("client %d, %s: %v, but a quorum was there", s.c.id, what, err)
		}
		if s.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(s.rng.IntN(int(time.Second))))
		}
	}
	if s.log != nil {
		s.log.Close()
	}
}

func (s *sharer) step() (say, error) {
	switch k := s.rng.IntN(100); {
	case k < 40:
		return s.name()
	case k < 50:
		return s.append()
	}
	return s.file()
}

// at is a shared name with its register.
func (s *sharer) at(letter string, n int) (place, string) {
	name := fmt.Sprint(letter, s.rng.IntN(n))
	return place{s.s.shared[1], name}, name
}

// outcome records what came of a change of a name: done, if it happened; refused, by what
// the name was found to be; else perhaps done as well.
func (s *sharer) outcome(register string, call int64, err error, done, perhaps touch, refusals map[syscall.Errno]touch) error {
	switch e := fop.Errno(err); e {
	case 0:
		s.s.record.note(s.c, register, call, done)
		return nil
	case syscall.ENOTCONN, syscall.EIO, syscall.ENOSPC:
		s.s.record.note(s.c, register, call, perhaps)
		return err
	default:
		t, ok := refusals[e]
		if !ok {
			return violation("the answer %q is not to be expected", e)
		}
		if t.value != "" {
			s.s.record.note(s.c, register, call, t)
		}
		return nil
	}
}

func (s *sharer) name() (say, error) {
	p, register := s.at("c", sharedNames)
	call := instant()
	switch s.rng.IntN(6) {
	case 0, 1:
		g := gfid(s.rng)
		r, err := s.c.Create(ctx, &fop.CreateReq{Req: req(), Parent: p.dir, Name: p.name, GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
		if err == nil {
			r.File.Close()
		}
		v := short(g).String()
		return says("create %v = %s", p, v), s.outcome(register, call, err, touch{made, v}, touch{tried, v}, map[syscall.Errno]touch{syscall.EEXIST: {exists, "something"}})
	case 2:
		r, err := s.c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: p.dir, Name: p.name})
		var t touch
		if err == nil {
			t = touch{took, short(r.Iatt.GFID).String()}
		}
		return says("unlink %v", p), s.outcome(register, call, err, t, touch{tried, absent}, map[syscall.Errno]touch{syscall.ENOENT: {saw, absent}})
	case 3:
		return s.renameName(p, register, call)
	case 4:
		return s.linkName(p, call)
	}
	if s.rng.IntN(3) == 0 {
		p, register = s.at("h", sharedLinks)
	}
	r, err := s.c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: p.dir, Name: p.name})
	t := touch{saw, absent}
	if err == nil {
		t.value = short(r.Iatt.GFID).String()
	}
	what := says("lookup %v = %s", p, t.value)
	switch fop.Errno(err) {
	case 0, syscall.ENOENT:
		s.s.record.note(s.c, register, call, t)
		return what, nil
	case syscall.ENOTCONN, syscall.EIO:
		return what, err
	}
	return what, violation("%v", err)
}

func (s *sharer) renameName(from place, register string, call int64) (say, error) {
	to, target := s.at("c", sharedNames)
	what := says("rename %v to %v", from, to)
	if to == from {
		return what, nil
	}
	r, err := s.c.Rename(ctx, &fop.RenameReq{Req: req(), OldParent: from.dir, OldName: from.name, NewParent: to.dir, NewName: to.name})
	v := anything
	if err == nil {
		v = short(r.Iatt.GFID).String()
	}
	err2 := s.outcome(register, call, err, touch{took, v}, touch{tried, absent}, map[syscall.Errno]touch{syscall.ENOENT: {saw, absent}})
	if fop.Errno(err) != syscall.ENOENT {
		s.outcome(target, call, err, touch{set, v}, touch{tried, v}, nil)
	}
	return what, err2
}

// linkName makes a link of what is found under a name, or removes one.
func (s *sharer) linkName(from place, call int64) (say, error) {
	to, register := s.at("h", sharedLinks)
	if s.rng.IntN(2) == 0 {
		r, err := s.c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: to.dir, Name: to.name})
		var t touch
		if err == nil {
			t = touch{took, short(r.Iatt.GFID).String()}
		}
		return says("unlink %v", to), s.outcome(register, call, err, t, touch{tried, absent}, map[syscall.Errno]touch{syscall.ENOENT: {saw, absent}})
	}
	what := says("link %v as %v", from, to)
	found, err := s.c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: from.dir, Name: from.name})
	if err != nil {
		return what, nil // what lookup may say is judged elsewhere
	}
	g := found.Iatt.GFID
	_, err = s.c.Link(ctx, &fop.LinkReq{Req: req(), GFID: g, Parent: to.dir, Name: to.name})
	v := short(g).String()
	gone := touch{} // somebody was faster
	return what, s.outcome(register, call, err, touch{made, v}, touch{tried, v},
		map[syscall.Errno]touch{syscall.EEXIST: {exists, "something"}, syscall.ESTALE: gone, syscall.ENOENT: gone})
}

// file changes or reads an attribute, or the content, of a shared file.
func (s *sharer) file() (say, error) {
	i := s.rng.IntN(sharedFiles)
	g := s.s.files[i]
	call := instant()
	only := map[syscall.Errno]touch{}
	switch s.rng.IntN(7) {
	case 0, 1:
		text := fmt.Sprintf("%04d%04d", s.id, s.n)
		r, err := s.c.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_RDWR})
		if err == nil {
			call = instant()
			_, err = r.File.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte(text)})
			r.File.Close()
		} else if fop.IsDown(err) {
			return says("open s%d", i), err
		}
		return says("write s%d %s", i, text), s.outcome(fmt.Sprint("data", i), call, err, touch{set, text}, touch{tried, text}, only)
	case 2:
		_, err := s.c.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: g})
		return says("truncate s%d", i), s.outcome(fmt.Sprint("data", i), call, err, touch{set, ""}, touch{tried, ""}, only)
	case 3:
		mode := s.rng.Uint32N(0o777)
		v := fmt.Sprintf("%o", mode)
		_, err := s.c.Setattr(ctx, &fop.SetattrReq{Req: req(), GFID: g, Valid: fop.SetMode, Mode: mode})
		return says("setattr s%d %s", i, v), s.outcome(fmt.Sprint("mode", i), call, err, touch{set, v}, touch{tried, v}, only)
	case 4:
		v := s.stamp()
		_, err := s.c.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: g, Xattrs: []fop.Xattr{{Name: "user.x", Value: []byte(v)}}})
		return says("setxattr s%d %s", i, v), s.outcome(fmt.Sprint("xattr", i), call, err, touch{set, v}, touch{tried, v}, only)
	}
	return s.s.readShared(s.c, i)
}

// readShared reads what there is of a shared file.
func (s *sim) readShared(c *client, i int) (say, error) {
	what, g := says("read s%d", i), s.files[i]
	call := instant()
	a, err := c.Stat(ctx, &fop.StatReq{Req: req(), GFID: g})
	if err != nil {
		return what, unexpected(err)
	}
	s.record.note(c, fmt.Sprint("mode", i), call, touch{saw, fmt.Sprintf("%o", a.Iatt.Mode)})
	call = instant()
	x, err := c.Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: g, Name: "user.x"})
	if err != nil {
		return what, unexpected(err)
	}
	s.record.note(c, fmt.Sprint("xattr", i), call, touch{saw, string(x.Xattrs[0].Value)})
	call = instant()
	r, err := c.Open(ctx, &fop.OpenReq{Req: req(), GFID: g})
	if err != nil {
		return what, unexpected(err)
	}
	defer r.File.Close()
	buf := make([]byte, 100)
	got, err := r.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
	if err != nil {
		return what, unexpected(err)
	}
	s.record.note(c, fmt.Sprint("data", i), call, touch{saw, string(buf[:got.N])})
	return says("read s%d = %s", i, string(buf[:got.N])), nil
}

// unexpected makes a violation of what nothing can explain.
func unexpected(err error) error {
	switch fop.Errno(err) {
	case syscall.ENOTCONN, syscall.EIO, syscall.ENOSPC:
		return err
	}
	return violation("%v", err)
}

// append adds a line to the file to which everybody does.
func (s *sharer) append() (say, error) {
	text := fmt.Sprintf("%03d.%03d\n", s.id, s.n)
	what := says("append %s", text)
	if s.log == nil {
		r, err := s.c.Open(ctx, &fop.OpenReq{Req: req(), GFID: s.s.files[sharedFiles], Flags: syscall.O_RDWR | syscall.O_APPEND})
		if err != nil {
			return what, unexpected(err)
		}
		s.log = &openFile{File: r.File}
	}
	call := instant()
	_, err := s.log.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte(text)})
	s.s.record.mu.Lock()
	s.s.record.logs = append(s.s.record.logs, appended{text, call, instant(), err == nil})
	s.s.record.mu.Unlock()
	if err != nil {
		return what, unexpected(err)
	}
	return what, nil
}

// checkShared reads all registers through a new client when nobody works any more.
func (s *sim) checkShared(c *client) {
	for i := range sharedFiles {
		if what, err := s.readShared(c, i); err != nil {
			s.fail("at the end, %s: %v", what, err)
		}
	}
	for _, name := range sharedRegisters() {
		call := instant()
		r, err := c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: s.shared[1], Name: name})
		switch fop.Errno(err) {
		case 0:
			s.record.note(c, name, call, touch{saw, short(r.Iatt.GFID).String()})
		case syscall.ENOENT:
			s.record.note(c, name, call, touch{saw, absent})
		}
	}
	s.checkLog(c)
}

func sharedRegisters() (names []string) {
	for i := range sharedNames {
		names = append(names, fmt.Sprint("c", i))
	}
	for i := range sharedLinks {
		names = append(names, fmt.Sprint("h", i))
	}
	return names
}

// checkLog checks that what was appended is there, once, in its order.
func (s *sim) checkLog(c *client) {
	buf := make([]byte, 64<<10)
	var got *fop.ReadvReply
	r, err := c.Open(ctx, &fop.OpenReq{Req: req(), GFID: s.files[sharedFiles]})
	if err == nil {
		defer r.File.Close()
		got, err = r.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
	}
	if err != nil {
		s.fail("at the end, read of the log: %v", err)
		return
	}
	log := string(buf[:got.N])
	left := log
	for _, a := range s.record.logs {
		n := strings.Count(log, a.text)
		if n > 1 || n == 0 && a.ok {
			s.fail("%q, acknowledged %v, is %d times in the log %q", a.text, a.ok, n, log)
		}
		left = strings.Replace(left, a.text, "", 1)
		for _, b := range s.record.logs {
			if a.ok && b.ok && a.end < b.call && strings.Index(log, a.text) > strings.Index(log, b.text) {
				s.fail("%q was appended before %q, and comes after it in the log %q", a.text, b.text, log)
			}
		}
	}
	if left != "" {
		s.fail("nobody appended %q to the log %q", left, log)
	}
}
