package main

import (
	"errors"
	"reflect"
	"testing"

	"github.com/gofs/gofs/protocol/mgmt"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		words   []string
		want    string // the command's pattern begins with this; "": none
		took    int
		problem string
	}{
		{[]string{"volume", "list"}, "volume list", 2, ""},
		{[]string{"v", "li"}, "volume list", 2, ""},
		{[]string{"vol", "inf", "v1"}, "volume info", 2, ""},
		{[]string{"volume", "star", "v1"}, "volume start", 2, ""},
		{[]string{"volume", "sta"}, "", 0, "unrecognized word: sta (position 1)"},
		{[]string{"volume"}, "", 0, "unrecognized command"},
		{[]string{"volume", "quota", "v1"}, "", 0, "unrecognized word: quota (position 1)"},
		{[]string{"VOLUME", "list"}, "", 0, "unrecognized word: VOLUME (position 0)"},
		{[]string{"pool", "list"}, "pool list", 2, ""},
		{[]string{"-V"}, "", 0, "unrecognized word: -V (position 0)"},
	} {
		cmd, took, problem := lookup(commands(), c.words)
		switch {
		case problem != c.problem || took != c.took:
			t.Errorf("lookup(%q) = %d, %q, want %d, %q", c.words, took, problem, c.took, c.problem)
		case cmd != nil && cmd.words[1] != c.words[1] && cmd.pattern[:len(c.want)] != c.want:
			t.Errorf("lookup(%q) = %q, want %q", c.words, cmd.pattern, c.want)
		}
	}
}

func TestParseCreate(t *testing.T) {
	got, err := parseCreate([]string{"v", "replica", "2", "arbiter", "1", "transport", "tcp", "h:/a", "h:/b", "h:/c", "force"})
	want := &mgmt.CreateReq{Name: "v", Replica: 3, Arbiter: 1, Transport: "tcp", Bricks: []string{"h:/a", "h:/b", "h:/c"}, Force: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseCreate = %+v, %v, want %+v", got, err, want)
	}
	var u usage
	if _, err := parseCreate([]string{"v", "replica", "3", "replica", "3", "h:/a"}); !errors.As(err, &u) || u.reason != "replica option given twice" {
		t.Errorf("two replica options: %v", err)
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[uint64]string{0: "0Bytes", 1023: "1023Bytes", 1024: "1.0KB", 964270695: "919.6MB", 1 << 50: "1.0PB"} {
		if got := human(n); got != want {
			t.Errorf("human(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for _, c := range []struct {
		args []string
		want *mgmt.StatusReq
	}{
		{nil, &mgmt.StatusReq{Name: "all"}},
		{[]string{"v", "det"}, &mgmt.StatusReq{Name: "v", Detail: true}},
		{[]string{"v", "h:/b"}, &mgmt.StatusReq{Name: "v", Brick: "h:/b"}},
		{[]string{"v", "h:/b", "detail"}, &mgmt.StatusReq{Name: "v", Brick: "h:/b", Detail: true}},
		{[]string{"v", "detail", "foo"}, nil},
		{[]string{"all", "detail", "foo"}, nil},
		{[]string{"v", "b", "detail", "x"}, nil},
	} {
		got, _, err := parseStatus(c.args)
		if c.want == nil && err == nil || c.want != nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("parseStatus(%q) = %+v, %v, want %+v", c.args, got, err, c.want)
		}
	}
}
