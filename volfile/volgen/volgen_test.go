package volgen

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofs/gofs/volfile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// volume returns a volume "v" of n bricks.
func volume(n, replica, arbiter int, options map[string]string) *Volume {
	v := &Volume{Name: "v", ID: "3bc3bed0-d02d-4ad2-a877-13068e2904ac", Replica: replica, Arbiter: arbiter, Options: options}
	for i := range n {
		d := string(rune('0' + i))
		v.Bricks = append(v.Bricks, Brick{ID: "v-client-" + d, Host: "server" + d, Path: "/bricks/b" + d})
	}
	return v
}

func TestGolden(t *testing.T) {
	options := map[string]string{
		"cluster.quorum-type": "fixed", "cluster.quorum-count": "2", "network.ping-timeout": "10",
		"cluster.lookup-optimize": "off", "storage.health-check-interval": "10", "diagnostics.brick-log-level": "DEBUG", "diagnostics.client-log-level": "ERROR",
		"features.read-only": "off", "storage.owner-uid": "36", "cluster.server-quorum-type": "server",
		"cluster.granular-entry-heal": "on", "nfs.disable": "on",
		"user.note": "some text", "cluster.rsync-hash-regex": `^\.(.+)\.[^.]+$`, "auth.allow": "10.0.0.*",
	}
	for _, c := range []struct {
		name  string
		graph *volfile.Graph
	}{
		{"distribute-client", ClientGraph(volume(2, 1, 0, nil))},
		{"distribute-brick", BrickGraph(volume(2, 1, 0, nil), 1)},
		{"replicate3-client", ClientGraph(volume(3, 3, 0, nil))},
		{"replicate2-client", ClientGraph(volume(2, 2, 0, nil))},
		{"arbiter-client", ClientGraph(volume(6, 3, 1, nil))},
		{"arbiter-brick", BrickGraph(volume(6, 3, 1, nil), 5)},
		{"arbiter-data-brick", BrickGraph(volume(6, 3, 1, nil), 4)},
		{"options-client", ClientGraph(volume(3, 3, 1, options))},
		{"options-brick", BrickGraph(volume(3, 3, 1, options), 0)},
		{"read-only-client", ClientGraph(volume(2, 1, 0, map[string]string{"features.read-only": "enable"}))},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.graph.String()
			if _, err := volfile.Parse(got); err != nil {
				t.Errorf("the volfile does not parse: %v", err)
			}
			file := filepath.Join("testdata", c.name+".vol")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("graph differs from %s:\n%s", file, got)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	v := volume(3, 3, 0, nil)
	for _, c := range []struct{ key, value, stored, want string }{
		{"network.ping-timeout", "10", "10", ""},
		{"ping-timeout", "10", "10", ""},
		{"network.ping-timeout", "-1", "", `invalid time format "-1" in "option ping-timeout"`},
		{"network.ping-timeout", "2000", "", `'2000' in 'option ping-timeout 2000' is out of range [1 - 1013]`},
		{"network.ping-timeout", "1min", "1min", ""},
		{"cluster.quorum-type", "foo", "", "option quorum-type foo: 'foo' is not valid (possible options are none, auto, fixed.)"},
		{"cluster.quorum-count", "5", "", "5 in cluster.quorum-count 5 is out of range [1 - 3]"},
		{"diagnostics.brick-log-level", "FOO", "", "option log-level FOO: 'FOO' is not valid (possible options are DEBUG, WARNING, ERROR, INFO, CRITICAL, NONE, TRACE.)"},
		{"cluster.read-subvolume-index", "-5", "", "'-5' in 'option read-subvolume-index -5' is smaller than minimum value '-1'"},
		{"cluster.min-free-disk", "200%", "", "'200.000000' in 'option min-free-disk 200%' is out of range [0 - 100]"},
		{"cluster.min-free-disk", "10GB", "10GB", ""},
		{"cluster.min-free-disk", "abc", "", `invalid number format "abc" in option "min-free-disk"`},
		{"cluster.read-hash-mode", "9", "", "'9' in 'option read-hash-mode 9' is out of range [0 - 5]"},
		{"cluster.lookup-optimize", "maybe", "", "option lookup-optimize maybe: 'maybe' is not a valid boolean value"},
		{"auth.allow", "bad host", "badhost", ""},
		{"auth.allow", "1.2.3.4,*.foo", "", "option auth.allow 1.2.3.4,*.foo: '1.2.3.4,*.foo' is not a valid internet-address-list"},
		{"user.note", "some text", "some text", ""},
		{"user.note", "two\nlines", "", "option user.note: the value has a control character"},
		{"ping-timeoutt", "1", "", "option : ping-timeoutt does not exist\nDid you mean ping-timeout?"},
		{"nfs.disable", "on", "on", ""},
		{"nfs.disable", "off", "", "option nfs.disable can only be on in gofs: there is no NFS server in it"},
		{"nfs.disable", "Enable", "Enable", ""},
		{"cluster.brick-multiplex", "on", "", "Not a valid option for single volume"},
		{"cluster.server-quorum-ratio", "51%", "", "Not a valid option for single volume"},
		{"cluster.server-quorum-type", "server", "server", ""},
		{"cluster.server-quorum-type", "off", "", "option server-quorum-type off: 'off' is not valid (possible options are none, server.)"},
		{"cluster.min-free-inodes", "200%", "", "'200.000000' in 'option min-free-inodes 200%' is out of range [0 - 100]"},
		{"cluster.min-free-inodes", "-3", "", `invalid percent format "-3" in "option min-free-inodes"`},
		{"cluster.subvols-per-directory", "0", "", "'0' in 'option directory-layout-spread 0' is smaller than minimum value '1'"},
		{"features.read-only", "maybe", "", "option read-only maybe: 'maybe' is not a valid boolean value"},
		{"storage.create-mask", "0750", "0750", ""},
		{"storage.create-mask", "77777", "", "'77777' in 'option create-mask 77777' is out of range [0 - 511]"},
		{"storage.force-create-mode", "0888", "", `invalid number format "0888" in option "force-create-mode"`},
		{"storage.reserve", "5%", "5%", ""},
		{"storage.reserve", "abc", "", `invalid number format "abc" in option "reserve"`},
		{"storage.reserve", "101%", "", "'101.000000' in 'option reserve 101%' is out of range [0 - 100]"},
		{"storage.owner-uid", "-5", "", "'-5' in 'option brick-uid -5' is smaller than minimum value '-1'"},
		{"storage.owner-uid", "4294967295", "", "'4294967295' in 'option brick-uid 4294967295' is out of range [-1 - 4294967294]"},
		{"features.shard", "on", "", "option features.shard can only be off in gofs: it does not split files into shards"},
		{"storage.owner-uid", "abc", "", `invalid number format "abc" in option "brick-uid"`},
		{"network.inode-lru-limit", "99999999", "", "'99999999' in 'option inode-lru-limit 99999999' is out of range [0 - 1048576]"},
		{"performance.io-thread-count", "16", "", "option performance.io-thread-count has no meaning in gofs: there are no pools of threads to size: every request runs on its own"},
		{"nfs.rdirplus", "on", "", "option nfs.rdirplus has no meaning in gofs: there is no NFS server in it"},
	} {
		t.Run(c.key+"="+c.value, func(t *testing.T) {
			_, stored, err := Check(v, c.key, c.value)
			if c.want == "" {
				if err != nil || stored != c.stored {
					t.Errorf("Check = %q, %v, want %q", stored, err, c.stored)
				}
				return
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("Check = %v, want %s", err, c.want)
			}
		})
	}
}

func TestActingOptionsAreInTheTable(t *testing.T) {
	for _, a := range acting {
		if full, ok := Resolve(a.key); !ok || full != a.key {
			t.Errorf("option %s is not in the table", a.key)
		}
		if a.doc == "" {
			t.Errorf("option %s has no description", a.key)
		}
	}
}

// An option that is accepted must be read by the translator that it goes to: its key is
// a string in that package.
func TestActingOptionsAreRead(t *testing.T) {
	homes := map[string]string{
		"cluster/distribute": "dht", "cluster/replicate": "afr", "protocol/client": "protocol/client",
		"storage/posix": "xlators/posix", "features/read-only": "xlators/readonly", "debug/io-stats": "server/brick", "protocol/server": "server/brick",
	}
	sources := map[string]string{}
	for typ, dir := range homes {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil || files == nil {
			t.Fatalf("no sources of %s: %v", typ, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources[typ] += string(text)
		}
	}
	for _, a := range acting {
		if a.typ != daemon && !strings.Contains(sources[a.typ], `"`+a.opt+`"`) {
			t.Errorf("%s is accepted but %s does not read %q", a.key, a.typ, a.opt)
		}
	}
}

func TestCheckTogether(t *testing.T) {
	v := volume(3, 3, 0, map[string]string{"cluster.quorum-type": "fixed"})
	if CheckTogether(v) == nil {
		t.Error("a fixed quorum without a count was accepted")
	}
	v.Options["cluster.quorum-count"] = "2"
	if err := CheckTogether(v); err != nil {
		t.Errorf("CheckTogether = %v", err)
	}
	v.Options["cluster.quorum-count"] = "4"
	if CheckTogether(v) == nil {
		t.Error("a quorum of more than all was accepted")
	}
}

func TestGet(t *testing.T) {
	v := volume(3, 3, 0, map[string]string{"network.ping-timeout": "7", "user.a": "b"})
	for _, c := range []struct {
		key  string
		want Value
	}{
		{"ping-timeout", Value{"network.ping-timeout", "7", false}},
		{"cluster.min-free-disk", Value{"cluster.min-free-disk", "10%", true}},
		{"cluster.quorum-type", Value{"cluster.quorum-type", "auto", false}},
		{"user.a", Value{"user.a", "b", false}},
	} {
		if got, ok := Get(v, c.key); !ok || got != c.want {
			t.Errorf("Get(%q) = %v, %v, want %v", c.key, got, ok, c.want)
		}
	}
	if _, ok := Get(v, "no.such"); ok {
		t.Error("Get found no.such")
	}
	if all := List(v); len(all) != len(table)+1 {
		t.Errorf("List has %d values, want %d", len(all), len(table)+1)
	}
}

// FuzzCheck: no key or value makes Check panic, and what it accepts makes a volfile
// that parses.
func FuzzCheck(f *testing.F) {
	f.Add("cluster.min-free-disk", "10%")
	f.Add("cluster.rsync-hash-regex", `"`)
	f.Fuzz(func(t *testing.T, key, value string) {
		v := volume(3, 3, 1, nil)
		full, stored, err := Check(v, key, value)
		if err != nil {
			return
		}
		v.Options = map[string]string{full: stored}
		for _, g := range []*volfile.Graph{ClientGraph(v), BrickGraph(v, 0)} {
			again, err := volfile.Parse(g.String())
			if err != nil || again.String() != g.String() {
				t.Fatalf("%s=%q: %v\n%s", full, stored, err, strings.TrimSpace(g.String()))
			}
		}
	})
}
