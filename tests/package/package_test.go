// Package package_test builds the packages as "make package" does and looks at what they
// hold, installs them, and tries what they bring for systemd and logrotate.
package package_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// built is a directory with the packages, a binary (gofs) and what was packed (root).
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gofspkg")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	if out, err := makes("package", "OUT="+dir); err != nil {
		fmt.Printf("make package: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// makes runs make in the project's directory, with its outputs elsewhere.
func makes(args ...string) (string, error) {
	cmd := exec.Command("make", append([]string{"-C", "../..", "BIN=" + filepath.Join(built, "gofs")}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// files is what packages for both systems install, with modes, besides every page of docs.
var files = map[string]string{
	"/etc/logrotate.d/gofs":                                    "-rw-r--r--",
	"/usr/bin/gofs":                                            "-rwxr-xr-x",
	"/usr/lib/gofs/stop-bricks":                                "-rwxr-xr-x",
	"/usr/lib/systemd/system/gofs-bricks.service":              "-rw-r--r--",
	"/usr/lib/systemd/system/gofsd.service":                    "-rw-r--r--",
	"/usr/share/bash-completion/completions/gofs":              "-rw-r--r--",
	"/usr/share/doc/gofs/LICENSE":                              "-rw-r--r--",
	"/usr/share/doc/gofs/README.md":                            "-rw-r--r--",
	"/usr/share/fish/vendor_completions.d/gofs.fish":           "-rw-r--r--",
	"/usr/share/man/man8/gofs-daemon.8.gz":                     "-rw-r--r--",
	"/usr/share/man/man8/gofs.8.gz":                            "-rw-r--r--",
	"/usr/share/man/man8/mount.gofs.8.gz":                      "-rw-r--r--",
	"/usr/share/zsh/{site-functions,vendor-completions}/_gofs": "-rw-r--r--",
	"/usr/sbin/mount.gofs":                                     "l",
}

// compare compares modes by path with files.
func compare(t *testing.T, got map[string]string) {
	t.Helper()
	want := maps.Clone(files)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	for _, page := range pages {
		want["/usr/share/doc/gofs/"+filepath.Base(page)] = "-rw-r--r--"
	}
	for path, mode := range want {
		before, rest, either := strings.Cut(path, "{")
		choices := []string{path}
		if either {
			list, after, _ := strings.Cut(rest, "}")
			choices = nil
			for c := range strings.SplitSeq(list, ",") {
				choices = append(choices, before+c+after)
			}
		}
		i := slices.IndexFunc(choices, func(c string) bool { return strings.HasPrefix(got[c], mode) && mode != "" })
		if i < 0 {
			t.Errorf("%s is not there with mode %s", path, mode)
			continue
		}
		delete(got, choices[i])
	}
	for path := range got {
		t.Errorf("%s is not expected", path)
	}
}

// output runs a program that must succeed; without it the test is skipped.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s here", name)
	}
	var complaints bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, complaints.String())
	}
	return string(out)
}

// one is the file in built with this ending.
func one(t *testing.T, ending string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(built, "*"+ending))
	if len(found) != 1 {
		t.Fatalf("packages: %q", found)
	}
	return found[0]
}

func TestDeb(t *testing.T) {
	deb := one(t, ".deb")
	about := output(t, "dpkg-deb", "-I", deb)
	for _, want := range []string{" Package: gofs\n", " Version: 0.", " Depends: fuse3\n", " Recommends: xfsprogs, attr, logrotate, procps\n"} {
		if !strings.Contains(about, want) {
			t.Errorf("no %q in\n%s", want, about)
		}
	}
	if conf := output(t, "dpkg-deb", "--info", deb, "conffiles"); conf != "/etc/logrotate.d/gofs\n" {
		t.Errorf("configuration files: %q", conf)
	}
	got := map[string]string{}
	for line := range strings.Lines(output(t, "dpkg-deb", "-c", deb)) {
		f := strings.Fields(line) // mode owner size date time name
		if f[1] != "root/root" {
			t.Errorf("not root's: %s", line)
		}
		if f[0][0] != 'd' {
			got[strings.TrimPrefix(f[5], ".")] = f[0]
		}
	}
	compare(t, got)
}

// TestDebInstalls installs into a directory, runs the program there, and removes it again.
func TestDebInstalls(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("dpkg needs root")
	}
	root := t.TempDir()
	for _, dir := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(root+"/var/lib/dpkg/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/var/lib/dpkg/status", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// Scripts would run in the directory, which has no shell: they run outside, with DPKG_ROOT.
	dpkg := func(args ...string) string {
		return output(t, "dpkg", append([]string{"--root=" + root, "--force-depends", "--force-script-chrootless", "--log=/dev/null"}, args...)...)
	}
	dpkg("--install", one(t, ".deb"))
	for _, name := range []string{"/usr/bin/gofs", "/usr/sbin/mount.gofs"} {
		flag := map[string]string{"/usr/bin/gofs": "--version", "/usr/sbin/mount.gofs": "-V"}[name]
		if out := output(t, root+name, flag); !strings.HasPrefix(out, "gofs 0.") {
			t.Errorf("%s %s: %s", name, flag, out)
		}
	}
	if st, err := os.Stat(root + "/var/lib/gofs"); err != nil || !st.IsDir() {
		t.Errorf("/var/lib/gofs: %v", err)
	}
	state := root + "/var/lib/gofs/gofsd.info"
	if err := os.WriteFile(state, []byte("UUID=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dpkg("--purge", "gofs")
	if _, err := os.Stat(root + "/usr/bin/gofs"); !os.IsNotExist(err) {
		t.Errorf("after the purge: %v", err)
	}
	if _, err := os.Stat(state); err != nil {
		t.Errorf("the purge took the node's identity: %v", err)
	}
}

func TestRPM(t *testing.T) {
	rpm := one(t, ".rpm")
	got := map[string]string{}
	for line := range strings.Lines(output(t, "rpm", "-qlvp", rpm)) {
		f := strings.Fields(line) // mode links owner group size month day time name
		if f[2] != "root" || f[3] != "root" {
			t.Errorf("not root's: %s", line)
		}
		if f[0][0] != 'd' {
			got[f[8]] = f[0]
		}
	}
	compare(t, got)
	if out := output(t, "rpm", "-qp", "--requires", rpm); !slices.Contains(strings.Split(out, "\n"), "fuse3") {
		t.Errorf("it requires\n%s", out)
	}
	if out := output(t, "rpm", "-qp", "--recommends", rpm); !strings.Contains(out, "xfsprogs\n") || !strings.Contains(out, "attr\n") {
		t.Errorf("it recommends\n%s", out)
	}
	if out := output(t, "rpm", "-qcp", rpm); out != "/etc/logrotate.d/gofs\n" {
		t.Errorf("configuration files: %q", out)
	}
}

// TestInstall: what make install puts somewhere, systemd understands, and make uninstall
// takes away.
func TestInstall(t *testing.T) {
	to := t.TempDir()
	where := []string{"PREFIX=" + to, "SBINDIR=" + to + "/sbin", "ETCDIR=" + to + "/etc"}
	if out, err := makes(append([]string{"install"}, where...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out := output(t, to+"/sbin/mount.gofs", "-V"); !strings.HasPrefix(out, "gofs 0.") {
		t.Errorf("mount.gofs -V: %s", out)
	}
	t.Run("units", func(t *testing.T) {
		units := to + "/lib/systemd/system/"
		output(t, "systemd-analyze", "verify", "--man=no", units+"gofsd.service", units+"gofs-bricks.service")
	})
	if out, err := makes(append([]string{"uninstall"}, where...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			t.Errorf("left behind: %s %v", path, err)
		}
		return nil
	})
}
