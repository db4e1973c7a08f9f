// Command bench measures the bare disk, GlusterFS and gofs side by side, in
// alternation, on this machine: the only source of speed claims.
//
// Bricks are XFS on loop devices whose images lie in memory. Every system runs in a
// network and mount namespace of its own making, on addresses that exist only there.
// Volumes are replica 2 arbiter 1.
//
//	go run ./tests/bench [-rounds 3] [-only REGEXP] [-systems xfs,gluster,gofs] [-json FILE]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	rounds := flag.Int("rounds", 3, "how often each workload is run on each system")
	only := flag.String("only", "", "run only workloads whose name matches")
	systems := flag.String("systems", "xfs,gluster,gofs", "which systems, in this order")
	jsonFile := flag.String("json", "", "also write the result here")
	gofs := flag.String("gofs", "bin/gofs", "the gofs binary")
	profile := flag.String("profile", "", "a directory for notes of what each process used")
	flag.Parse()
	if os.Getenv("GOFS_BENCH_INSIDE") == "" {
		os.Exit(reexec())
	}
	if err := run(*rounds, *only, *systems, *jsonFile, *gofs, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// reexec runs this program again in namespaces of its own, where nothing that it
// mounts or listens on is seen by others, and all of it ends with it.
func reexec() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), "GOFS_BENCH_INSIDE=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState == nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		return 1
	}
	return 0
}

func run(rounds int, only, systems, jsonFile, gofs, profile string) error {
	re, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	bin, err := filepath.Abs(gofs)
	if err != nil {
		return err
	}
	if err := isolate(); err != nil {
		return err
	}
	var all []system
	for _, name := range strings.Split(systems, ",") {
		s, err := newSystem(name, bin, profile)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	res := newResults(all)
	for r := range rounds {
		for _, s := range all {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", r+1, rounds, s.name())
			if err := oneRound(s, re, res); err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
		}
	}
	res.print(os.Stdout)
	if jsonFile != "" {
		return res.write(jsonFile)
	}
	return nil
}

// oneRound sets a system up from nothing, runs all workloads, and takes it down.
func oneRound(s system, re *regexp.Regexp, res *results) (err error) {
	disks, err := makeDisks()
	if err != nil {
		return err
	}
	defer disks.remove()
	if err := s.start(disks); err != nil {
		s.stop()
		return err
	}
	defer s.stop()
	for _, g := range groups {
		wanted := false
		for _, w := range g.steps {
			wanted = wanted || re.MatchString(w.name)
		}
		if !wanted {
			continue
		}
		if err := runGroup(s, g, res); err != nil {
			return err
		}
	}
	if re.String() != "" { // healing takes GlusterFS so long that it has to be asked for
		if err := runHeal(s, re.MatchString, res); err != nil {
			return err
		}
	}
	cpu, rss := usage(s.commands())
	res.add(s, "cpu seconds, all processes", cpu, "s")
	res.add(s, "resident memory, all processes", rss, "MiB")
	return nil
}
