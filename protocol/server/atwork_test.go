package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
)

func TestProgramsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p programs
		if p.begin(wire.OpLookup, &fop.Caller{PID: -6}) || p.atWork() {
			t.Error("a healer counts as a program")
		}
		if !p.begin(wire.OpLookup, &fop.Caller{PID: 100}) {
			t.Fatal("a program's call does not count")
		}
		time.Sleep(time.Minute)
		if !p.atWork() {
			t.Error("a program whose call takes a minute is not at work")
		}
		p.end()
		time.Sleep(lately - 1)
		if !p.atWork() {
			t.Error("a program that called a moment ago is not at work")
		}
		time.Sleep(1)
		if p.atWork() {
			t.Error("a program that called some time ago is at work")
		}
		if p.begin(wire.OpLk, &fop.Caller{PID: 100}) || !p.atWork() {
			t.Error("a program that asked for a lock a moment ago is not at work")
		}
		time.Sleep(lately)
		if p.atWork() {
			t.Error("a program that waits for a lock is at work")
		}
	})
}
