package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// said is what a command printed, and how it ended, as in GlusterFS 10.3's transcripts.
func (c *cluster) said(args ...string) string {
	out, err := c.try(args...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("%s[exit %d]\n", out, exit.ExitCode())
	}
	return out
}

// The forms of volume heal say what GlusterFS's say, of a volume that is whole, with a brick
// down, and in split-brain.
func TestHealWords(t *testing.T) {
	t.Parallel()
	c := start(t, replica2)
	m := c.mount("")
	for _, name := range []string{"f", "g", "h"} {
		if err := os.WriteFile(m.path(name), []byte("before"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.umount()
	a, b := c.brickNames()[0], c.brickNames()[1]
	expect := func(command, want string) {
		t.Helper()
		want = strings.NewReplacer("$A", a, "$B", b).Replace(want)
		c.waitFor(10*time.Second, func() error { // the heal daemon comes back to the bricks
			if got := c.said(append([]string{"volume", "heal"}, strings.Fields(command)...)...); got != want {
				return fmt.Errorf("volume heal %s:\n%q, want\n%q", command, got, want)
			}
			return nil
		})
	}
	usage := "\nUsage:\nvolume heal <VOLNAME>"
	for _, command := range []string{"", "v foo", "v info foo", "v full x", "v statistics foo", "v split-brain", "v split-brain foo /f", "v split-brain bigger-file",
		"v granular-entry-heal", "v granular-entry-heal on", "v enable x", "v statistics heal-count replica"} {
		if got := c.said(append([]string{"volume", "heal"}, strings.Fields(command)...)...); !strings.Contains(got, usage) || !strings.HasSuffix(got, "[exit 1]\n") {
			t.Errorf("volume heal %s: %q", command, got)
		}
	}
	expect("nosuch", "Launching heal operation to perform index self heal on volume nosuch has been unsuccessful:\nVolume nosuch does not exist\n[exit 1]\n")
	expect("nosuch info", "Volume nosuch does not exist\nVolume heal failed.\n[exit 254]\n")
	for _, kind := range []string{"index", "full"} {
		expect("v "+strings.TrimPrefix(kind, "index"), "Launching heal operation to perform "+kind+" self heal on volume v has been unsuccessful:\nSelf-heal-daemon is disabled. Heal will not be triggered on volume v\n[exit 1]\n")
	}
	expect("v granular-entry-heal enable", "Enable granular entry heal on volume v has been successful \n")
	// Not as GlusterFS: lists of names are always kept.
	expect("v granular-entry-heal disable", "Disable granular entry heal on volume v has been unsuccessful:\noption cluster.granular-entry-heal can only be on in gofs\n[exit 1]\n")
	clean := ""
	for _, n := range []string{"$A", "$B"} {
		clean += "Brick " + n + "\nStatus: Connected\nNumber of entries: 0\n\n"
	}
	expect("v info", clean)
	expect("v info split-brain", strings.ReplaceAll(clean, "entries:", "entries in split-brain:"))
	expect("v info summary", strings.ReplaceAll(clean, "Number of entries: 0\n",
		"Total Number of entries: 0\nNumber of entries in heal pending: 0\nNumber of entries in split-brain: 0\nNumber of entries possibly healing: 0\n"))

	brick := "      <brick hostUuid=\"U\">\n        <name>$N</name>\n        <status>Connected</status>\n        <numberOfEntries>0</numberOfEntries>\n      </brick>\n"
	xml := "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput>\n  <healInfo>\n    <bricks>\n" + strings.ReplaceAll(brick, "$N", a) + strings.ReplaceAll(brick, "$N", b) +
		"    </bricks>\n  </healInfo>\n  <opRet>0</opRet>\n  <opErrno>0</opErrno>\n  <opErrstr/>\n</cliOutput>\n"
	uuid := regexp.MustCompile(`hostUuid="[0-9a-f-]{36}"`)
	if got := uuid.ReplaceAllString(c.must("--xml", "volume", "heal", c.vol, "info"), `hostUuid="U"`); got != xml {
		t.Errorf("heal info in XML:\n%s, want\n%s", got, xml)
	}

	c.must("volume", "stop", c.vol)
	expect("v", "Launching heal operation to perform index self heal on volume v has been unsuccessful:\nVolume v is not started.\n[exit 1]\n")
	expect("v info", "v: Not able to fetch volfile from glusterd\nVolume heal failed.\n[exit 251]\n")
	c.split("f", [2]string{"first's version", "second's"})
	c.split("g", [2]string{"one", "two"})
	c.split("h", [2]string{"three", "four!"})
	c.must("volume", "start", c.vol)
	c.waitOnline()
	count := "Gathering count of entries to be healed%s on volume v has been successful \n\nBrick $A\nNumber of entries: 3\n\nBrick $B\nNumber of entries: 3\n"
	expect("v statistics heal-count", fmt.Sprintf(count, ""))
	expect("v statistics heal-count replica "+b, fmt.Sprintf(count, " per replica"))
	expect("v split-brain bigger-file /f", "Healed /f.\n")
	expect("v split-brain bigger-file /f", "Healing /f failed: File not in split-brain.\nVolume heal failed.\n[exit 1]\n")
	expect("v split-brain bigger-file /nosuch", "Lookup failed on /nosuch:No such file or directory.\nVolume heal failed.\n[exit 22]\n")
	expect("v split-brain bigger-file /g", "Healing /g failed: No bigger file.\nVolume heal failed.\n[exit 1]\n")
	expect("v split-brain latest-mtime /g", "Healing /g failed: No difference in mtime.\nVolume heal failed.\n[exit 1]\n")
	expect("v split-brain source-brick "+a+" /g", "Healed /g.\n")
	gfid := c.gfid(0, "h")
	expect("v split-brain source-brick "+b, "Healed gfid:"+gfid+".\nStatus: Connected\nNumber of healed entries: 1\n\n")
	for name, want := range map[string]string{"f": "first's version", "g": "one", "h": "four!"} {
		for _, i := range []int{0, 1} {
			if got, err := os.ReadFile(c.bricks[i] + "/" + name); string(got) != want || err != nil {
				t.Errorf("%s on brick %d is %q, %v, want %q", name, i, got, err, want)
			}
		}
	}
	expect("v info", clean)

	expect("v enable", "Enable heal on volume v has been successful \n")
	expect("v", "Launching heal operation to perform index self heal on volume v has been successful \nUse heal info commands to check status.\n")
	expect("v full", "Launching heal operation to perform full self heal on volume v has been successful \nUse heal info commands to check status.\n")
	release := c.hold(1)
	release() // it is started again after a second; whatever is asked before, nothing hangs
	expect("v disable", "Disable heal on volume v has been successful \n")
}
