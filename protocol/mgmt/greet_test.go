package mgmt

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// greetBoth lets a caller and an answerer meet and returns what each makes of it.
func greetBoth(t *testing.T, caller, answerer Member, admitAnswerer, admitCaller Admit) (who string, callerErr error, whom string, answererErr error) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer there.Close()
		kind, err := ReadKind(there)
		if err != nil || kind != KindRaft {
			answererErr = errors.Join(err, errors.New("wrong kind"))
			return
		}
		whom, answererErr = Meet(t.Context(), there, kind, answerer, admitCaller)
	}()
	who, callerErr = Greet(t.Context(), here, KindRaft, caller, admitAnswerer)
	here.Close()
	<-done
	return who, callerErr, whom, answererErr
}

func TestGreet(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	a, b := Member{UUID: "a", Boot: 3, Key: key}, Member{UUID: "b", Boot: 4, Key: key}
	all := func(string, uint64) error { return nil }
	none := func(err error) Admit { return func(string, uint64) error { return err } }

	who, err, whom, err2 := greetBoth(t, a, b, func(id string, boot uint64) error {
		if id != "b" || boot != 4 {
			t.Errorf("the caller sees %s, %d", id, boot)
		}
		return nil
	}, func(id string, boot uint64) error {
		if id != "a" || boot != 3 {
			t.Errorf("the answerer sees %s, %d", id, boot)
		}
		return nil
	})
	if who != "b" || whom != "a" || err != nil || err2 != nil {
		t.Errorf("greeting = %q, %v and %q, %v", who, err, whom, err2)
	}
	if _, err, _, err2 := greetBoth(t, a, b, all, none(ErrOutdated)); !errors.Is(err, ErrOutdated) || err2 == nil {
		t.Errorf("an outdated caller is told %v, the answerer returns %v", err, err2)
	}
	if _, err, _, err2 := greetBoth(t, a, b, all, none(ErrStranger)); !errors.Is(err, ErrStranger) || err2 == nil {
		t.Errorf("a stranger is told %v, the answerer returns %v", err, err2)
	}
	if _, err, _, err2 := greetBoth(t, a, b, none(ErrOutdated), all); !errors.Is(err, ErrOutdated) || !errors.Is(err2, ErrOutdated) {
		t.Errorf("an outdated answerer: %v, %v", err, err2)
	}
	b.Key = bytes.Repeat([]byte{2}, 32)
	_, err, _, err2 = greetBoth(t, a, b, all, all)
	if err == nil || err2 == nil {
		t.Errorf("different keys: %v, %v", err, err2)
	}
	if errors.Is(err, ErrStranger) {
		t.Error("who does not know the key has made the caller believe that it is not of the pool")
	}
}

func TestGreetSilence(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	go ReadKind(there)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Greet(ctx, here, KindPeer, Member{}, func(string, uint64) error { return nil }); err == nil {
		t.Error("a daemon that says nothing was greeted")
	}
	here.Close()
}

// FuzzMeet: whatever arrives, an answerer that does not share its key admits nobody.
func FuzzMeet(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\x00\x00\x00\x1c{\"body\":{\"uuid\":\"a\",\"boot\":1}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		here, there := net.Pipe()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			go func() {
				here.Write(b)
				here.Close()
			}()
			buf := make([]byte, 4096)
			for {
				if _, err := here.Read(buf); err != nil {
					return
				}
			}
		}()
		if _, err := Meet(t.Context(), there, KindPeer, Member{UUID: "b", Key: bytes.Repeat([]byte{7}, 32)}, func(string, uint64) error { return nil }); err == nil {
			t.Errorf("%q was admitted", b)
		}
		there.Close()
		<-drained
	})
}
