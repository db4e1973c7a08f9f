package main

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

func TestClientKinds(t *testing.T) {
	client := func(name string) mgmt.ClientInfo { return mgmt.ClientInfo{Name: name} }
	v := &mgmt.VolumeStatus{Name: "a-v", Bricks: []mgmt.BrickState{
		{Clients: []mgmt.ClientInfo{client("h-1-7-a-v-client-0"), client("h-1-8-a-v-client-0"), client("other")}},
		{Clients: []mgmt.ClientInfo{client("h-1-7-a-v-client-1"), client("h-1-9-glustershd-a-v-client-1"), client("other")}},
	}}
	if got, want := clientKinds(v), (map[string]int{"fuse": 2, "glustershd": 1, "other": 1}); !maps.Equal(got, want) {
		t.Errorf("clientKinds = %v, want %v", got, want)
	}
}

func TestParseProfile(t *testing.T) {
	for _, c := range []struct {
		args string
		view profileView
		ask  mgmt.ProfileAsk
		good bool
	}{
		{"v start", profileView{}, mgmt.ProfileAsk{}, true},
		{"v info", profileView{true, true}, mgmt.ProfileAsk{}, true},
		{"v info peek", profileView{true, true}, mgmt.ProfileAsk{Peek: true}, true},
		{"v info incremental", profileView{false, true}, mgmt.ProfileAsk{}, true},
		{"v info incremental peek", profileView{false, true}, mgmt.ProfileAsk{Peek: true}, true},
		{"v info cumulative", profileView{true, false}, mgmt.ProfileAsk{Peek: true}, true},
		{"v info clear", profileView{true, true}, mgmt.ProfileAsk{Clear: true}, true},
		{"v info peek incremental", profileView{}, mgmt.ProfileAsk{}, false},
		{"v start info", profileView{}, mgmt.ProfileAsk{}, false},
		{"v foo", profileView{}, mgmt.ProfileAsk{}, false},
		{"v", profileView{}, mgmt.ProfileAsk{}, false},
		{"v info nfs", profileView{}, mgmt.ProfileAsk{}, false},
	} {
		q, view, err := parseProfile(strings.Fields(c.args))
		if (err == nil) != c.good || c.good && (view != c.view || q.ProfileAsk != c.ask) {
			t.Errorf("parseProfile(%s) = %+v, %+v, %v", c.args, q, view, err)
		}
	}
}

func TestParseTop(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"v open", ""},
		{"v read-perf bs 256 count 10 brick h:/b list-cnt 3", ""},
		{"v open list-cnt 1000", "list-cnt should be between 0 to 100"},
		{"v open list-cnt -1", "list-cnt should be between 0 to 100"},
		{"v read-perf bs 256", "Need to give both 'bs' and 'count'"},
		{"v read-perf bs x count 1", "block size is an invalid number"},
		{"v read-perf bs 0 count 1", "block size should be an integer greater than zero"},
		{"v read-perf bs 1 count 0", "count should be an integer greater than zero"},
		{"v write-perf bs 10737418240 count 2", "'bs * count' value 21474836480 is greater than maximum allowed value of 10GB"},
		{"v read-perf bs 9223372036854775807 count 9223372036854775807", "'bs * count' value 1 is greater than maximum allowed value of 10GB"},
		{"v open bs 1 count 1", "usage"},
		{"v open list-cnt", "usage"},
		{"v foo", "usage"},
	} {
		_, err := parseTop(strings.Fields(c.args))
		var u usage
		switch {
		case c.want == "" && err != nil:
			t.Errorf("parseTop(%s): %v", c.args, err)
		case c.want != "" && (!errors.As(err, &u) || c.want != "usage" && u.reason != c.want || c.want == "usage" && u.reason != ""):
			t.Errorf("parseTop(%s): %v, want %s", c.args, err, c.want)
		}
	}
}

func TestParseClear(t *testing.T) {
	for _, c := range []struct {
		args string
		want *mgmt.ClearAsk
	}{
		{"v /a kind all inode", &mgmt.ClearAsk{Path: "/a", Granted: true, Blocked: true, Kind: "inode"}},
		{"v /a kind granted posix 0,8-1", &mgmt.ClearAsk{Path: "/a", Granted: true, Kind: "posix", Ranged: true, Start: 8, Len: 1}},
		{"v /a kind blocked entry b", &mgmt.ClearAsk{Path: "/a", Blocked: true, Kind: "entry", Named: true, Name: "b"}},
		{"v /a kind foo inode", nil},
		{"v /a kind all foo", nil},
		{"v /a sort all inode", nil},
		{"v /a kind all posix 8-1", nil},
		{"v /a kind all posix 0,8-1x", nil},
		{"v /a kind all posix 1,8-1", nil},
		{"v /a kind all posix 0,8--1", nil},
	} {
		q, ok := parseClear(strings.Fields(c.args))
		if ok != (c.want != nil) || ok && q.ClearAsk != *c.want {
			t.Errorf("parseClear(%s) = %+v, %v", c.args, q, ok)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("0,8-1")
	f.Fuzz(func(t *testing.T, s string) {
		var q mgmt.ClearAsk
		if parseRange(s, &q) && (q.Start < 0 || q.Len < 0) {
			t.Errorf("parseRange(%q) = %+v", s, q)
		}
	})
}

func TestParseState(t *testing.T) {
	for args, want := range map[string]*mgmt.StateReq{
		"":                             {},
		"glusterd odir /d file f":      {Dir: "/d", File: "f"},
		"file f odir /d volumeoptions": {Dir: "/d", File: "f", Kind: mgmt.StateOptions},
		"detail":                       {Kind: mgmt.StateDetail},
		"file":                         nil,
		"foo":                          nil,
		"file a file b":                nil,
		"detail file a":                nil,
	} {
		q, err := parseState(strings.Fields(args))
		if (err == nil) != (want != nil) || want != nil && *q != *want {
			t.Errorf("parseState(%s) = %+v, %v", args, q, err)
		}
	}
}

// The tables are GlusterFS's to the blank.
func TestProfileTable(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	b := &mgmt.BrickProfiles{Brick: mgmt.Brick{Host: "server1", Path: "/bricks/rep3"}, ProfileReport: mgmt.ProfileReport{Cumulative: &mgmt.Profile{
		Seconds: 359.9, Read: 2, Written: 8000217,
		Blocks: []mgmt.BlockCount{{Size: 1}, {Size: 2, Reads: 1, Writes: 101}, {Size: 4, Writes: 3}, {Size: 512, Writes: 2}, {Size: 1024, Writes: 23}},
		Fops:   []mgmt.FopTimes{{Name: "WRITE", Count: 297, Avg: 74279.43, Min: 34951, Max: 369518}, {Name: "LOOKUP", Count: 21, Avg: 98723.29, Min: 30575, Max: 255840}},
	}}}
	c.printProfile(b, profileView{cumulative: true})
	want := strings.ReplaceAll(`Brick: server1:/bricks/rep3
---------------------------
Cumulative Stats:
   Block Size:                  2b+                   4b+                 512b+$
 No. of Reads:                    1                     0                     0$
No. of Writes:                  101                     3                     2$
$
   Block Size:               1024b+$
 No. of Reads:                    0$
No. of Writes:                   23$
 %-latency   Avg-latency   Min-Latency   Max-Latency   No. of calls         Fop
 ---------   -----------   -----------   -----------   ------------        ----
      8.59   98723.29 ns   30575.00 ns  255840.00 ns             21      LOOKUP
     91.41   74279.43 ns   34951.00 ns  369518.00 ns            297       WRITE
$
    Duration: 359 seconds
   Data Read: 2 bytes
Data Written: 8000217 bytes
$
`, "$", " ")
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTopTable(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	at := time.Date(2026, 11, 21, 7, 26, 27, 895498000, time.UTC)
	c.printTop(&mgmt.TopReq{TopAsk: mgmt.TopAsk{Kind: mgmt.TopReadPerf}}, &mgmt.BrickTop{Brick: mgmt.Brick{Host: "server1", Path: "/bricks/rep3"},
		TopReport: mgmt.TopReport{Throughput: &mgmt.Throughput{MBps: 51.2, Seconds: 0.00001},
			Files: []mgmt.TopFile{{Name: "/d/z", At: &at}, {Name: "/" + strings.Repeat("x", 60), Value: 3, At: &at}}}})
	want := `Brick: server1:/bricks/rep3
Throughput 51.20 MBps time 0.0000 secs
MBps Filename                                        Time                      ` + `
==== ========                                        ====                      ` + `
   0 /d/z                                            2026-11-21 07:26:27 +0000.895498
   3 ...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 2026-11-21 07:26:27 +0000.895498
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
