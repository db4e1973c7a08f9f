package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofs/gofs/client/mount"
	daemon "github.com/gofs/gofs/server/mgmt"
	"github.com/gofs/gofs/volfile/volgen"
)

// man writes the manual pages: what commands and options there are comes from the same
// tables as the programs themselves.
func (c *cli) man(_ context.Context, args []string) error {
	if len(args) != 1 {
		return usage{}
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return fmt.Errorf("cannot make the directory: %w", err)
	}
	for name, text := range pages() {
		path := filepath.Join(args[0], name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("cannot write the page: %w", err)
		}
		fmt.Fprintln(c.stdout, path)
	}
	return nil
}

// pages are the texts of the manual pages by file name.
func pages() map[string]string {
	return map[string]string{"gofs.8": gofsPage(), "gofs-daemon.8": daemonPage(), "mount.gofs.8": mountPage()}
}

// page builds a manual page in man(7)'s macros.
type page struct{ strings.Builder }

func newPage(name, summary string) *page {
	p := &page{}
	fmt.Fprintf(p, ".TH %s 8 \"\" \"gofs %s\" \"gofs\"\n", strings.ToUpper(name), version)
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", roff(name), roff(summary))
	return p
}

func (p *page) section(title string) { fmt.Fprintf(p, ".SH %s\n", title) }

func (p *page) text(s string) { fmt.Fprintf(p, "%s\n", roff(s)) }

// paragraph begins with a blank line.
func (p *page) paragraph(s string) { fmt.Fprintf(p, ".PP\n%s\n", roff(s)) }

// item is an entry of a list with what it means.
func (p *page) item(head, s string) { fmt.Fprintf(p, ".TP\n.B %s\n%s\n", roff(head), roff(s)) }

// roff escapes text so that it is shown as it is.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func gofsPage() string {
	p := newPage("gofs", "a filesystem across servers, and its command line")
	p.section("SYNOPSIS")
	for _, form := range []string{"gofs [OPTIONS] COMMAND...", "gofs daemon [FLAGS]", "gofs mount SERVER:/VOLUME DIRECTORY [-o OPTIONS]", "gofs"} {
		p.text(form)
		p.WriteString(".br\n")
	}
	p.section("DESCRIPTION")
	p.text("gofs keeps volumes on directories (bricks) of several servers, in the format of GlusterFS and with the commands of gluster(8). Commands are given to the daemon on this machine.")
	p.paragraph("Without a command it reads commands, one per line. On a terminal lines can be edited and recalled, and Tab completes words, volumes and peers. Each word of a command may be cut short as long as it is unique.")
	p.section("COMMANDS")
	var forms []form
	for _, cmd := range commands() {
		forms = append(forms, cmd.forms()...)
	}
	slices.SortFunc(forms, func(a, b form) int { return strings.Compare(a.pattern, b.pattern) })
	for _, f := range forms {
		p.item(f.pattern, f.help)
	}
	p.section("OPTIONS")
	for _, o := range [][2]string{
		{"--mode=script", "Answer every question with yes, unasked."},
		{"--xml", "Print the result as GlusterFS's XML."},
		{"--json", "Print the result as JSON."},
		{"--remote-host=HOST", "Ask the daemon on another host. It only answers questions: changes are for root on its own machine."},
		{"--timeout=SECONDS", "How long to wait for the daemon; 120 by default."},
		{"--gofsd-sock=PATH", "The daemon's socket. Also $GOFS_SOCK."},
		{"--print-logdir, --print-statedumpdir", "Print where logs and dumps are."},
		{"--version, --help", "Print the version, the beginnings of help."},
	} {
		p.item(o[0], o[1])
	}
	p.section("VOLUME OPTIONS")
	p.text("What volume set takes; volume get VOLUME all shows the values.")
	for _, h := range volgen.Helps() {
		p.item(h.Key, h.Text+" Default: "+h.Default+".")
	}
	p.paragraph("Groups, for volume set VOLUME group: " + strings.Join(volgen.Groups(), ", ") + ".")
	p.section("FILES")
	p.item(defaultWorkDir, "The daemon's configuration.")
	p.item(defaultRunDir, "Sockets, pid files, dumps.")
	p.item(defaultLogDir, "Logs.")
	p.item("~/.gofs_history", "The commands that were given at the prompt.")
	p.section("EXIT STATUS")
	p.text("0 if the command was done or a question was answered with no; 1 if it failed or was wrong; 254 and 255 for wrong options.")
	p.section("SEE ALSO")
	p.text("gofs-daemon(8), mount.gofs(8)")
	return p.String()
}

func daemonPage() string {
	p := newPage("gofs-daemon", "the management daemon of gofs")
	p.section("SYNOPSIS")
	p.text("gofs daemon [FLAGS]")
	p.section("DESCRIPTION")
	p.text("Every server of a pool runs one. It keeps the configuration together with the daemons of the other servers, starts the bricks of its own and answers commands and mounts. It stays in the foreground and ends at SIGTERM; bricks and mounts go on. At SIGHUP it opens its log again.")
	p.paragraph("Several daemons can live on one machine when each has a loopback address and directories of its own.")
	p.section("FLAGS")
	var cfg daemon.Config
	f, _ := daemonFlags(&cfg)
	f.VisitAll(func(g *flag.Flag) {
		value, text := flag.UnquoteUsage(g)
		head := "--" + g.Name
		if value != "" {
			head += " " + value
		}
		if g.DefValue != "" && value != "" {
			text += " (default: " + g.DefValue + ")"
		}
		p.item(head, text)
	})
	p.section("SEE ALSO")
	p.text("gofs(8)")
	return p.String()
}

func mountPage() string {
	p := newPage("mount.gofs", "mount a gofs volume")
	p.section("SYNOPSIS")
	p.text("mount -t gofs [-o OPTIONS] SERVER[,SERVER...]:/VOLUME[/SUBDIR] DIRECTORY")
	p.section("DESCRIPTION")
	p.text("mount(8) calls this program. It asks the servers in turn for the volume, connects to its bricks and serves the mount in a process of its own until umount(8). It keeps going while servers come and go, and takes over changes of the volume as they are made.")
	p.paragraph("In /etc/fstab:")
	p.paragraph("server1,server2:/data /mnt/data gofs defaults,_netdev 0 0")
	p.section("OPTIONS")
	for _, d := range mount.Describe() {
		p.item(d.Form, d.Text)
	}
	p.paragraph("The options of every filesystem (ro, noatime, nodev, noexec, nosuid and their opposites) have their usual meaning. Other options of mount.glusterfs are accepted without effect.")
	p.section("EXIT STATUS")
	p.text("0 when it is mounted, 1 otherwise, with a sentence on standard error.")
	p.section("SEE ALSO")
	p.text("gofs(8), mount(8), fstab(5)")
	return p.String()
}
