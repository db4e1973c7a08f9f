package pool

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 0, "seed of the random test; 0: another one each time")
	steps = flag.Int("steps", 25, "steps of the random test")
)

// The bounds of an order: within them it is done or answered with the reason. They are not
// measurements but what a person may be made to wait; a machine under load gets some more.
const (
	changeBound = 4 * time.Second
	cutBound    = 8 * time.Second // to say that there is no majority
	readBound   = 2 * time.Second
)

// TestRandomFaults gives orders at all nodes while daemons are killed, frozen, cut off
// and started again, with a program writing in the mount all the time. Afterwards all nodes
// have the same configuration, and what was said to be done is in it.
func TestRandomFaults(t *testing.T) {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("to repeat: go test ./tests/pool -run TestRandomFaults -seed %d -steps %d", s, *steps)
	r := rand.New(rand.NewPCG(s, 0))
	p := newPool(t, 3)
	p.probeAll()
	p.create("vol")
	p.mount("vol")
	endIO := p.runFio()
	m := &model{p: p, r: r, want: map[string]string{}, unsure: map[string][]string{}}
	for range *steps {
		m.step()
	}
	m.mend()
	endIO()
	m.check()
	t.Logf("the longest change took %v", m.longest)
}

// runFio lets fio write and verify in the mount until the function that it returns is
// called, which fails the test if fio saw an error.
func (p *pool) runFio() func() {
	p.t.Helper()
	cmd := exec.Command("fio", "--name=w", "--directory="+p.mnt, "--rw=randrw", "--bs=4k", "--size=8m", "--numjobs=2",
		"--time_based", "--runtime=600", "--verify=crc32c", "--verify_fatal=1", "--rate_iops=200", "--minimal")
	cmd.Dir = p.dir // fio leaves its state there
	out, err := os.Create(p.dir + "/fio.out")
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); out.Close() }()
	stop := sync.OnceFunc(func() {
		select {
		case err := <-ended:
			text, _ := os.ReadFile(out.Name())
			p.t.Errorf("fio ended before it was told to: %v\n%s", err, text)
		default:
			cmd.Process.Signal(os.Interrupt)
			<-ended
		}
		text, _ := os.ReadFile(out.Name())
		if strings.Contains(string(text), "error=") || strings.Contains(string(text), "verify: bad") {
			p.t.Errorf("fio saw errors:\n%s", text)
		}
	})
	p.t.Cleanup(stop)
	return stop
}

// model is what the configuration must be.
type model struct {
	p      *pool
	r      *rand.Rand
	want   map[string]string   // what was said to be done: the value of an option of vol
	unsure map[string][]string // values that may have been set since, too
	hurt   *node               // the node that is killed, frozen or cut off; one at a time
	how    string
	n      int

	longest time.Duration // that an order took
}

// step does something at random.
func (m *model) step() {
	m.p.t.Helper()
	switch k := m.r.IntN(10); {
	case k < 3:
		m.fault()
	case k < 5:
		m.read()
	case k < 7:
		m.set(true)
	default:
		m.set(false)
	}
}

// fault hurts a node, or heals the one that is hurt.
func (m *model) fault() {
	if m.hurt != nil {
		m.mend()
		return
	}
	m.hurt = m.p.nodes[m.r.IntN(len(m.p.nodes))]
	m.how = []string{"killed", "frozen", "cut off"}[m.r.IntN(3)]
	m.p.t.Logf("node %d is %s", m.hurt.number, m.how)
	switch m.how {
	case "killed":
		m.hurt.kill()
	case "frozen":
		m.hurt.freeze()
	default:
		m.hurt.cut()
	}
}

func (m *model) mend() {
	if m.hurt == nil {
		return
	}
	m.p.t.Logf("node %d is back", m.hurt.number)
	switch m.how {
	case "killed":
		m.hurt.begin()
	case "frozen":
		m.hurt.thaw()
	default:
		m.hurt.uncut()
	}
	m.hurt = nil
}

// asked is a node that answers orders: not one that is dead or frozen.
func (m *model) asked() *node {
	for {
		n := m.p.nodes[m.r.IntN(len(m.p.nodes))]
		if n != m.hurt || m.how == "cut off" {
			return n
		}
	}
}

func (m *model) read() {
	m.p.t.Helper()
	n := m.asked()
	args := [][]string{{"volume", "info", "vol"}, {"volume", "status", "vol"}, {"peer", "status"}, {"volume", "get", "vol", "all"}}[m.r.IntN(4)]
	out, took, err := n.try(args...)
	if (err != nil && !starting(out)) || took > readBound {
		m.p.t.Errorf("node %d: gofs %s took %v: %v %s", n.number, strings.Join(args, " "), took, err, out)
	}
}

// starting tells whether an order failed because its daemon was only just started again.
func starting(out string) bool { return strings.Contains(out, "Connection failed") }

// set sets an option at one node, or one at each of two at the same time.
func (m *model) set(two bool) {
	m.p.t.Helper()
	m.n++
	orders := []*order{m.order(0)}
	if two {
		orders = append(orders, m.order(1))
	}
	var wg sync.WaitGroup
	for _, o := range orders {
		wg.Go(o.give)
	}
	wg.Wait()
	for _, o := range orders {
		bound := changeBound
		if o.n == m.hurt {
			bound = cutBound
		}
		m.longest = max(m.longest, o.took*changeBound/bound)
		if o.took > bound {
			m.p.t.Errorf("node %d: %s took %v: %v %s", o.n.number, o.key, o.took, o.err, o.out)
		}
		cutOff := o.n == m.hurt
		switch {
		case o.err == nil:
			m.want[o.key], m.unsure[o.key] = o.value, nil
		case starting(o.out), strings.Contains(o.out, "nothing was changed"):
			// certainly not done
		case cutOff, strings.Contains(o.out, "whether"):
			m.unsure[o.key] = append(m.unsure[o.key], o.value)
		default:
			m.p.t.Errorf("node %d: setting %s: %v %s", o.n.number, o.key, o.err, o.out)
		}
	}
}

// order is one setting of an option.
type order struct {
	n          *node
	key, value string
	out        string
	took       time.Duration
	err        error
}

// order chooses one; those of one step are about different options.
func (m *model) order(i int) *order {
	return &order{n: m.asked(), key: fmt.Sprintf("user.k%d", 2*m.r.IntN(4)+i), value: fmt.Sprint(m.n)}
}

func (o *order) give() { o.out, o.took, o.err = o.n.try("volume", "set", "vol", o.key, o.value) }

// check compares the nodes with each other and with the model.
func (m *model) check() {
	m.p.t.Helper()
	m.p.connected()
	var first string
	m.p.eventually(20*time.Second, func() string {
		first = ""
		for _, n := range m.p.nodes {
			out, _, err := n.try("volume", "info")
			if err != nil {
				return fmt.Sprintf("node %d: %v %s", n.number, err, out)
			}
			if first == "" {
				first = out
			}
			if out != first {
				return fmt.Sprintf("nodes 1 and %d differ:\n%s\n%s", n.number, first, out)
			}
		}
		return ""
	})
	got := map[string]string{}
	for line := range strings.Lines(first) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && strings.HasPrefix(key, "user.") {
			got[key] = value
		}
	}
	for key, want := range m.want {
		if got[key] != want && !slices.Contains(m.unsure[key], got[key]) {
			m.p.t.Errorf("%s is %q, but %q was said to be done (%v may have been)", key, got[key], want, m.unsure[key])
		}
	}
}
