package mgmt

import (
	"encoding/json"
	"strconv"
	"time"
)

// Methods of a brick's admin socket. A mount's socket has AskDump and AskMetrics.
const (
	AskProfile = "profile"     // ProfileAsk: ProfileReport
	AskTop     = "top"         // TopAsk: TopReport
	AskView    = "view"        // ViewAsk: BrickView
	AskDump    = "statedump"   // DumpAsk: DumpReport
	AskClear   = "clear-locks" // ClearAsk: ClearReport
	AskBarrier = "barrier"     // BarrierAsk: nothing
	AskRotate  = "log rotate"  // nothing: nothing
	AskMetrics = "metrics"     // nothing: ProcessMetrics
	AskBlame   = "blame"       // BlameAsk: BlameReport
	AskMissed  = "missed all"  // MissedAsk: nothing
	AskGraph   = "graph"       // GraphAsk: GraphReport
)

// MountSocket is the name, in the run directory, of the admin socket of a mount.
func MountSocket(pid int) string { return "mount-" + strconv.Itoa(pid) + ".socket" }

// CodeNoFile is the code of an Error about a path that is not on the brick.
const CodeNoFile = 2

// BrickAsk is a question to the bricks of a volume. It holds all that is needed to ask
// on any node.
type BrickAsk struct {
	Volume string          `json:"volume"`
	Brick  string          `json:"brick,omitempty"` // host:path: only this one
	Method string          `json:"method"`          // one of the Ask constants
	Args   json.RawMessage `json:"args,omitempty"`
}

// BrickAnswer is what one brick answered.
type BrickAnswer struct {
	Brick
	Online bool            `json:"online"`
	Silent bool            `json:"silent,omitempty"` // not online: its process runs, and did not answer in time
	Code   int             `json:"code,omitempty"`   // of Error, as Error.Code
	Error  string          `json:"error,omitempty"`  // why there is no Body
	Body   json.RawMessage `json:"body,omitempty"`
}

// Name is the brick as users write it.
func (b *Brick) Name() string { return b.Host + ":" + b.Path }

// ProfileAsk asks for a brick's counters, or clears them.
type ProfileAsk struct {
	Clear bool `json:"clear,omitempty"`
	Peek  bool `json:"peek,omitempty"` // the interval goes on
}

// ProfileReport is what a brick has done.
type ProfileReport struct {
	Cumulative *Profile `json:"cumulative,omitempty"`
	Interval   *Profile `json:"interval,omitempty"`
	Number     int      `json:"number"` // of the interval
	Cleared    bool     `json:"cleared,omitempty"`
}

// Profile is what was done in some time.
type Profile struct {
	Seconds float64      `json:"seconds"`
	Read    uint64       `json:"read"`    // bytes
	Written uint64       `json:"written"` // bytes
	Blocks  []BlockCount `json:"blocks"`  // by size: all there are, ascending
	Fops    []FopTimes   `json:"fops"`    // those that were done
}

// BlockCount counts the reads and writes of at least Size and less than 2*Size bytes.
type BlockCount struct {
	Size   uint64 `json:"size"`
	Reads  uint64 `json:"reads"`
	Writes uint64 `json:"writes"`
}

// FopTimes is how often and how long a fop was done. Times are nanoseconds.
type FopTimes struct {
	Name  string  `json:"name"`
	Count uint64  `json:"count"`
	Avg   float64 `json:"avg"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

// What files can be ranked by.
const (
	TopOpen      = "open"
	TopRead      = "read"
	TopWrite     = "write"
	TopOpendir   = "opendir"
	TopReaddir   = "readdir"
	TopReadPerf  = "read-perf"
	TopWritePerf = "write-perf"
	TopClear     = "clear"
)

// TopAsk asks for the files that lead in Kind. With BlockSize and Count the disk's
// throughput is measured first.
type TopAsk struct {
	Kind      string `json:"kind"`
	List      int    `json:"list"`                // how many files at most
	BlockSize int64  `json:"blockSize,omitempty"` // bytes
	Count     int64  `json:"count,omitempty"`     // blocks
}

// TopReport is a ranking.
type TopReport struct {
	Files []TopFile `json:"files"`
	// Of open: how many files are open, were at most, and when that was.
	Open     int64      `json:"open,omitempty"`
	MostOpen int64      `json:"mostOpen,omitempty"`
	MostAt   *time.Time `json:"mostAt,omitempty"`
	// Of a measurement.
	Throughput *Throughput `json:"throughput,omitempty"`
	Cleared    bool        `json:"cleared,omitempty"`
}

// Throughput of a brick's disk.
type Throughput struct {
	MBps    float64 `json:"mbps"` // 10^6 bytes per second
	Seconds float64 `json:"seconds"`
}

// TopFile is a file in a ranking.
type TopFile struct {
	Name  string     `json:"name"`         // its path from the volume's root, or <gfid:...>
	Value uint64     `json:"value"`        // how often; of the perf kinds 10^6 bytes per second
	At    *time.Time `json:"at,omitempty"` // of the perf kinds
}

// Kinds of ViewAsk.
const (
	ViewMem      = "mem"
	ViewInode    = "inode"
	ViewFD       = "fd"
	ViewCallpool = "callpool"
)

// ViewAsk asks what is in a brick's memory.
type ViewAsk struct {
	Kind string `json:"kind"`
}

// BrickView is what is in a brick's memory: the part that was asked for.
type BrickView struct {
	Memory *Memory      `json:"memory,omitempty"`
	Inodes *Inodes      `json:"inodes,omitempty"`
	Conns  []Connection `json:"connections,omitempty"` // of fd and callpool
}

// Memory of a process, in bytes.
type Memory struct {
	Resident uint64 `json:"resident"`
	Reserved uint64 `json:"reserved"` // by the Go runtime, from the system
	Heap     uint64 `json:"heap"`     // in use
	Idle     uint64 `json:"idle"`     // of the heap, not in use
	Released uint64 `json:"released"` // given back to the system
	Stacks   uint64 `json:"stacks"`
	Objects  uint64 `json:"objects"` // how many are in the heap
	Spans    uint64 `json:"spans"`   // bytes in the runtime's own tables
	Routines int    `json:"goroutines"`
}

// Inodes that a brick knows.
type Inodes struct {
	Limit  int         `json:"limit"`  // of those that are only remembered
	Active int         `json:"active"` // in use
	LRU    int         `json:"lru"`    // remembered
	List   []InodeInfo `json:"list"`   // of the active ones, the first hundred
}

// InodeInfo describes an inode in use.
type InodeInfo struct {
	GFID string `json:"gfid"`
	Refs int    `json:"refs"`
	Open int    `json:"open"`
	Type string `json:"type"` // D, R, L, ...: one letter
}

// Connection is what one client has open and is waiting for.
type Connection struct {
	ClientInfo
	Handles int    `json:"handles"` // how many files are open
	FDs     []FD   `json:"fds,omitempty"`
	Calls   []Call `json:"calls,omitempty"`
}

// FD is an open file or directory.
type FD struct {
	GFID  string `json:"gfid"`
	Path  string `json:"path,omitempty"`
	Flags uint32 `json:"flags"`
	PID   int32  `json:"pid"` // who opened it
	Refs  int    `json:"refs"`
}

// Call is a fop that has not been answered.
type Call struct {
	UID     uint32  `json:"uid"`
	GID     uint32  `json:"gid"`
	PID     int32   `json:"pid"`
	Unique  uint64  `json:"unique"`
	Fop     string  `json:"fop"`
	Seconds float64 `json:"seconds"` // since when
	Waiting bool    `json:"waiting,omitempty"`
}

// DumpAsk asks a process to write its state to a file. No parts: all.
type DumpAsk struct {
	Parts []string `json:"parts,omitempty"` // mem, iobuf, callpool, priv, fd, inode, history
}

// DumpReport names the file.
type DumpReport struct {
	File string `json:"file"`
}

// ClearAsk says which locks are to be cleared.
type ClearAsk struct {
	Path    string `json:"path"`
	Granted bool   `json:"granted,omitempty"`
	Blocked bool   `json:"blocked,omitempty"`
	Kind    string `json:"kind"` // inode, entry, posix
	Ranged  bool   `json:"ranged,omitempty"`
	Start   int64  `json:"start,omitempty"`
	Len     int64  `json:"len,omitempty"` // 0: to the end
	Named   bool   `json:"named,omitempty"`
	Name    string `json:"basename,omitempty"`
}

// ClearReport tells how many were.
type ClearReport struct {
	Xlator  string `json:"xlator"`
	Granted int    `json:"granted"`
	Blocked int    `json:"blocked"`
}

// BarrierAsk raises or lowers the barrier.
type BarrierAsk struct {
	Up      bool    `json:"up"`
	Seconds float64 `json:"seconds,omitempty"` // at most; 0 is the default
}

// ProcessMetrics are the counters of a brick or mount.
type ProcessMetrics struct {
	PID       int         `json:"pid"`
	Volume    string      `json:"volume"`
	Brick     string      `json:"brick,omitempty"` // path
	Mount     string      `json:"mount,omitempty"` // directory
	Serving   bool        `json:"serving"`
	Started   time.Time   `json:"started"`
	Read      uint64      `json:"read"`    // bytes, by programs
	Written   uint64      `json:"written"` // bytes, by programs
	Open      int64       `json:"open"`    // files
	Fops      []FopMetric `json:"fops"`
	Clients   int         `json:"clients"`
	Received  uint64      `json:"received"` // bytes, from the clients connected now
	Sent      uint64      `json:"sent"`     // bytes, to them
	InFlight  int         `json:"inFlight"` // calls
	Locks     int         `json:"locks"`    // granted
	LocksWait int         `json:"locksWait"`
	Memory    Memory      `json:"memory"`
	CPU       float64     `json:"cpu"` // seconds
}

// FopMetric is a fop's latencies since the process began.
type FopMetric struct {
	Name    string   `json:"name"`
	Count   uint64   `json:"count"`
	Errors  uint64   `json:"errors"`
	Seconds float64  `json:"seconds"` // sum
	Buckets []uint64 `json:"buckets"` // bucket i: less than 2^i microseconds, not less than 2^(i-1); the last one: all longer
}
