// Package arch holds the layering of gofs as a test: which package may not import which,
// and why. The table is the architecture; it cannot rot.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/gofs/gofs/"

// A law forbids some packages to import others. Both sides are lists of package paths
// below the module; "x/..." is x and all below it. What is in unless is allowed.
type law struct {
	of, not string
	unless  string // for packages or for what they import
	why     string
}

var laws = []law{
	{of: "xlators/fop", not: "...", why: "the nouns are at the bottom: nothing is below them"},
	{of: "xlators/xlator", not: "...", unless: "xlators/fop", why: "the waist knows the nouns and nothing else"},
	{of: "volfile", not: "...", why: "the volfile is pure text"},
	{of: "volfile/volgen", not: "...", unless: "volfile", why: "volfiles are made from values, not from a running daemon"},
	{of: "afr/changelog", not: "...", unless: "xlators/fop", why: "verdicts about copies are pure"},
	{of: "dht/layout", not: "...", unless: "xlators/fop", why: "where a name belongs is pure"},

	{of: "afr/... dht/... xlators/...", not: "protocol/... server/... client/... cmd/...", why: "a translator does not know that a network or a process exists"},
	{of: "afr/... dht/... xlators/...", not: "volfile/...", unless: "xlators/graph", why: "only graph turns text into translators"},
	{of: "afr/...", not: "dht/... xlators/...", unless: "xlators/fop xlators/xlator", why: "translators are siblings: they meet in a volfile only"},
	{of: "dht/...", not: "afr/... xlators/...", unless: "xlators/fop xlators/xlator", why: "translators are siblings: they meet in a volfile only"},
	{of: "xlators/...", not: "afr/... dht/...", why: "translators are siblings: they meet in a volfile only"},
	{of: "xlators/arbiter xlators/barrier xlators/faults xlators/index xlators/iostats xlators/locks xlators/mem xlators/missed xlators/posix xlators/readonly xlators/suspect xlators/upcall", not: "xlators/...", unless: "xlators/fop xlators/xlator", why: "translators are siblings: they meet in a volfile only"},

	{of: "...", not: "protocol/pb", unless: "protocol/wire", why: "protobuf types stop at protocol/wire"},
	{of: "protocol/client protocol/server protocol/wire", not: "server/... client/... cmd/... protocol/mgmt volfile/... afr/... dht/...", why: "the wire carries fops for any translator"},
	{of: "protocol/mgmt", not: "...", why: "the management protocol is values and frames"},

	{of: "brickid", not: "...", why: "the daemon and the brick's process both read it"},
	{of: "logfile", not: "...", why: "a log is a file"},
	{of: "inspect", not: "...", unless: "protocol/mgmt xlators/iostats", why: "bricks, mounts and the daemon share it"},
	{of: "server/metrics", not: "...", unless: "protocol/mgmt", why: "it shows values; others gather them"},

	{of: "server/mgmt/store", not: "...", why: "the state machine depends on nothing that could differ between nodes"},
	{of: "server/mgmt/portmap", not: "...", why: "ports are this node's alone"},
	{of: "server/mgmt/...", not: "server/brick xlators/... afr/... dht/... client/... protocol/wire protocol/server protocol/client", why: "the daemon starts bricks; it is not one"},
	{of: "server/...", not: "client/... cmd/...", why: "a server does not mount"},
	{of: "client/...", not: "server/... cmd/...", why: "a mount does not serve"},
	{of: "afr/... dht/... xlators/... protocol/... server/... client/... volfile/...", not: "tests/...", why: "tests are above everything"},
	{of: "...", not: "xlators/xlatortest", why: "the conformance suite is for tests"},
}

// nouns that name no responsibility.
var vague = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "core", "types"}

// imports returns the packages of the module with what each imports outside of tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Doc", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		all[name] = nil
		for _, i := range p.Imports {
			if in, ok := strings.CutPrefix(i, module); ok {
				all[name] = append(all[name], in)
			}
		}
	}
}

// in tells whether pkg is in a list of patterns.
func in(pkg, list string) bool {
	for _, p := range strings.Fields(list) {
		root, below := strings.CutSuffix(p, "/...")
		if p == "..." || pkg == root || below && strings.HasPrefix(pkg, root+"/") {
			return true
		}
	}
	return false
}

func TestLayering(t *testing.T) {
	all := imports(t)
	if len(all) < 5 {
		t.Fatalf("go list found %d packages; the test looks at the wrong place", len(all))
	}
	for pkg, imported := range all {
		for _, l := range laws {
			if !in(pkg, l.of) || in(pkg, l.unless) && l.of != pkg || strings.HasPrefix(pkg, "tests/") {
				continue
			}
			for _, i := range imported {
				// What is below a package's own folder is its own business.
				if in(i, l.not) && !in(i, l.unless) && !strings.HasPrefix(i, pkg+"/") && !strings.HasPrefix(pkg, i+"/") {
					t.Errorf("%s imports %s: %s", pkg, i, l.why)
				}
			}
		}
	}
}

func TestPackageNames(t *testing.T) {
	for pkg := range imports(t) {
		for _, part := range strings.Split(pkg, "/") {
			for _, v := range vague {
				if part == v {
					t.Errorf("package %s: %q names no responsibility", pkg, part)
				}
			}
		}
	}
}

// Every package says what it is for, in exactly one file.
func TestPackageDocs(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{len .Doc}}\t{{len .GoFiles}}", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if f[1] == "0" && f[2] != "0" {
			t.Errorf("package %s has no package comment", f[0])
		}
	}
}
