package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Every command is in the page, and no line is taken for a request that it is not.
func TestManPages(t *testing.T) {
	pages := pages()
	for _, cmd := range commands() {
		for _, f := range cmd.forms() {
			if !strings.Contains(pages["gofs.8"], ".B "+roff(f.pattern)+"\n"+roff(f.help)) {
				t.Errorf("the page lacks %s", f.pattern)
			}
		}
	}
	for name, text := range pages {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, ".") && !strings.HasPrefix(line, ".SH ") && !strings.HasPrefix(line, ".TH ") && !strings.HasPrefix(line, ".TP\n") && !strings.HasPrefix(line, ".B ") && !strings.HasPrefix(line, ".PP\n") && line != ".br\n" {
				t.Errorf("%s: line %q", name, line)
			}
		}
		if groff, err := exec.LookPath("groff"); err == nil {
			cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z")
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
}
