package server_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

// across returns a function that makes a brick and connects to it. Its bottom is made by
// bottom.
func across(bottom func(t *testing.T, env xlator.Env) (xlator.Xlator, error)) func(t *testing.T) xlator.Xlator {
	return func(t *testing.T) xlator.Xlator {
		env := xlator.Env{Name: "demo", Log: slog.New(slog.DiscardHandler)}
		b, err := bottom(t, env)
		if err != nil {
			t.Fatal(err)
		}
		brick, err := locks.New(env, xlator.Options{}, []xlator.Xlator{b})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { brick.Close() })
		p := connect(t, serve(t, brick, server.Config{}), nil)
		p.wait(t, xlator.ChildUp)
		return p.Xlator
	}
}

// TestConformance runs the suite of all translators on a brick across a connection. The
// suite of locks chooses its clients by Caller.Client, which the server overrides.
func TestConformance(t *testing.T) {
	t.Run("mem", func(t *testing.T) {
		open := across(func(_ *testing.T, env xlator.Env) (xlator.Xlator, error) { return mem.New(env, nil, nil) })
		xlatortest.Run(t, open, xlatortest.HiddenNames, xlatortest.ACL)
	})
	t.Run("posix", func(t *testing.T) {
		if os.Getuid() != 0 || testing.Short() {
			t.Skip("a brick takes root, and its disk takes time")
		}
		open := across(func(t *testing.T, env xlator.Env) (xlator.Xlator, error) {
			return posix.New(env, xlator.Options{"directory": t.TempDir()}, nil)
		})
		xlatortest.Run(t, open)
	})
}
