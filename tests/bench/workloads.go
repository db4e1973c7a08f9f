package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A step is one measured workload. Its result is a rate (more is better).
type step struct {
	name string
	unit string
	cold bool // remount before
	run  func(dir string) (amount float64, err error)
}

// A group is steps that build on each other.
type group struct {
	prepare func(dir string) error
	steps   []step
}

const (
	threads   = 4
	perThread = 1000
	perDir    = 100
	treeFiles = 5000
)

var groups = []group{
	{steps: []step{
		{name: "small: create 4 KiB", unit: "files/s", run: small(createSmall)},
		{name: "small: cold stat", unit: "files/s", cold: true, run: small(statSmall)},
		{name: "small: cold read", unit: "files/s", cold: true, run: small(readSmall)},
		{name: "small: ls -l", unit: "files/s", cold: true, run: listSmall},
		{name: "small: rename", unit: "files/s", run: small(renameSmall)},
		{name: "small: unlink", unit: "files/s", run: small(unlinkSmall)},
	}},
	{prepare: makeTar, steps: []step{
		{name: "tree: untar", unit: "files/s", run: tree("mkdir t && tar -xf " + work + "/tree.tar -C t")},
		{name: "tree: cp -a", unit: "files/s", run: tree("cp -a t t2")},
		{name: "tree: find", unit: "files/s", cold: true, run: tree("find t -type f -size +1k | wc -l")},
		{name: "tree: git status", unit: "files/s", cold: true, run: tree("cd t && git status >/dev/null")},
		{name: "tree: rm -rf", unit: "files/s", run: tree("rm -rf t2")},
	}},
	{steps: []step{
		{name: "fio: 1 MiB sequential write", unit: "MiB/s", run: fio("write", 1024, 1, "--bs=1m --size=512m --end_fsync=1")},
		{name: "fio: 1 MiB sequential read", unit: "MiB/s", cold: true, run: fio("read", 1024, 1, "--bs=1m --size=512m")},
		{name: "fio: 4 KiB random write", unit: "KiB/s", run: fio("randwrite", 1, 4, "--bs=4k --size=64m --runtime=5 --time_based")},
		{name: "fio: 4 KiB random read", unit: "KiB/s", cold: true, run: fio("randread", 1, 4, "--bs=4k --size=64m --runtime=5 --time_based")},
		{name: "fio: 4 KiB write+fsync", unit: "KiB/s", run: fio("write", 1, 1, "--bs=4k --size=8m --fsync=1 --runtime=5 --time_based")},
	}},
}

func runGroup(s system, g group, res *results) error {
	if g.prepare != nil {
		if err := g.prepare(s.dir()); err != nil {
			return err
		}
	}
	for _, w := range g.steps {
		if w.cold {
			if err := s.remount(); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		start, busy := time.Now(), cpuTime(s)
		amount, err := w.run(s.dir())
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		rate := amount
		if w.unit == "files/s" {
			rate = amount / time.Since(start).Seconds()
		}
		res.add(s, w.name, rate, w.unit)
		fmt.Fprintf(os.Stderr, "  %-32s %12.0f %-8s", w.name, rate, w.unit)
		if w.unit == "files/s" {
			fmt.Fprintf(os.Stderr, " %8.0f us of CPU per file", (cpuTime(s)-busy)/amount*1e6)
		}
		fmt.Fprintln(os.Stderr)
	}
	return nil
}

// cpuTime is how many seconds of CPU the system's processes, this one and its children have
// used so far. Unlike rates it hardly depends on what else the machine does.
func cpuTime(s system) float64 {
	sum, _ := usage(s.commands())
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) == nil {
			sum += time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
		}
	}
	return sum
}

// small runs f for each file of each thread, the threads at once.
func small(f func(dir, name string) error) func(string) (float64, error) {
	return func(root string) (float64, error) {
		var wg sync.WaitGroup
		errs := make([]error, threads)
		for t := range threads {
			wg.Go(func() {
				for i := range perThread {
					dir := filepath.Join(root, fmt.Sprintf("small/t%d/d%d", t, i/perDir))
					if errs[t] = f(dir, fmt.Sprintf("file%d", i)); errs[t] != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return 0, err
			}
		}
		return threads * perThread, nil
	}
}

var block = []byte(strings.Repeat("gofs and GlusterFS side by side\n", 128)) // 4 KiB

func createSmall(dir, name string) error {
	if strings.HasSuffix(name, "00") || name == "file0" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, name), block, 0o644)
}

func statSmall(dir, name string) error {
	_, err := os.Stat(filepath.Join(dir, name))
	return err
}

func readSmall(dir, name string) error {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil && string(b) != string(block) {
		return fmt.Errorf("%s/%s holds something else than was written", dir, name)
	}
	return err
}

func renameSmall(dir, name string) error {
	return os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".renamed"))
}

func unlinkSmall(dir, name string) error { return os.Remove(filepath.Join(dir, name+".renamed")) }

func listSmall(root string) (float64, error) {
	return threads * perThread, exec.Command("ls", "-lR", filepath.Join(root, "small")).Run()
}

// makeTar packs the tree: source-like files of 0.5 to 16 KiB in nested directories,
// under git.
func makeTar(string) error {
	tar := work + "/tree.tar"
	if _, err := os.Stat(tar); err == nil {
		return nil
	}
	root := work + "/tree"
	for i := range treeFiles {
		dir := filepath.Join(root, fmt.Sprintf("src%d/pkg%d", i/500, i/50%10))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		size := 512 << (i % 6)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file%d.go", i)), []byte(strings.Repeat(fmt.Sprintf("// line of file %d\n", i), size/18)), 0o644); err != nil {
			return err
		}
	}
	return sh(`cd %s && git init -q && git config user.name b && git config user.email b@b && git config gc.auto 0 && git add -A && git commit -qm x && tar -cf %s .`, root, tar)
}

func tree(command string) func(string) (float64, error) {
	return func(root string) (float64, error) {
		cmd := exec.Command("bash", "-ec", command)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s: %v\n%s", command, err, out)
		}
		return treeFiles, nil
	}
}

// fio returns the bandwidth of one job description, in KiB/s divided by div.
func fio(rw string, div float64, jobs int, args string) func(string) (float64, error) {
	return func(root string) (float64, error) {
		line := fmt.Sprintf("fio --output-format=json --name=f --directory=%s --filename_format='fio.$jobnum' --rw=%s --numjobs=%d --group_reporting --ioengine=psync --fallocate=none %s", root, rw, jobs, args)
		out, err := exec.Command("bash", "-c", line).Output()
		if err != nil {
			return 0, fmt.Errorf("%s: %w\n%s", line, err, out)
		}
		var r struct {
			Jobs []struct {
				Read, Write struct {
					BW float64 `json:"bw"`
				}
			}
		}
		if i := strings.IndexByte(string(out), '{'); i > 0 {
			out = out[i:] // warnings come first
		}
		if err := json.Unmarshal(out, &r); err != nil || len(r.Jobs) == 0 {
			return 0, fmt.Errorf("fio said something unexpected: %v", err)
		}
		return (r.Jobs[0].Read.BW + r.Jobs[0].Write.BW) / div, nil
	}
}
