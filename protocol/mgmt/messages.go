package mgmt

import (
	"errors"
	"fmt"
)

// Error is a refusal by the other side: a sentence for a person, and GlusterFS's
// operation errno for programs.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// Codes of Error.
const (
	CodeInternal      = 30800 // the general one
	CodeNoVolume      = 30806 // no such volume, from volume info
	CodeBadRequest    = 22    // unknown method or parameters that cannot be read
	CodeNotAllowed    = 1     // only root on the daemon's own machine may ask for this
	CodeNotStarted    = 251   // volume heal info of a volume that is not started
	CodeNotReplicated = 234   // volume heal info of a volume without copies
	CodeHasBricks     = 3     // the node to detach hosts bricks
	CodeOffline       = 107   // the brick asked for is not running
	CodeStopped       = 108   // nor is it meant to: its volume is not started
)

// Errorf makes an Error of the general code.
func Errorf(format string, a ...any) *Error {
	return &Error{Code: CodeInternal, Message: fmt.Sprintf(format, a...)}
}

// ErrorCode returns the code of the Error in err's chain, 0 if there is none: then err
// came from the connection and not from the other side.
func ErrorCode(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Methods, named as the commands of the command line.
const (
	methodNode      = "node"
	methodPool      = "pool list"
	methodProbe     = "peer probe"
	methodDetach    = "peer detach"
	methodRecover   = "cluster recover"
	methodGreeting  = "greeting"
	methodJoin      = "join"
	methodCreate    = "volume create"
	methodStart     = "volume start"
	methodStop      = "volume stop"
	methodDelete    = "volume delete"
	methodInfo      = "volume info"
	methodStatus    = "volume status"
	methodSet       = "volume set"
	methodGet       = "volume get"
	methodReset     = "volume reset"
	methodVolfile   = "volfile"
	methodPortmap   = "portmap"
	methodSubscribe = "subscribe"
	methodBrick     = "brick status"

	pushVolfile = "volfile changed"
)

// Node is what a daemon says of itself.
type Node struct {
	UUID    string `json:"uuid"`
	Host    string `json:"host"` // its --address, or "" for all of the machine's
	Version string `json:"version"`
}

// Peer is one node of the pool as the daemon that was asked sees it.
type Peer struct {
	UUID      string   `json:"uuid"`
	Host      string   `json:"hostname"`
	Others    []string `json:"otherNames,omitempty"`
	Self      bool     `json:"self,omitempty"` // the daemon that was asked
	Connected bool     `json:"connected"`
	State     string   `json:"state"`           // Peer in Cluster, or Probe Sent to Peer until it has joined
	Since     string   `json:"since,omitempty"` // RFC 3339: when Connected last changed, as far as known
	Voter     bool     `json:"voter"`           // takes part in deciding
	Leader    bool     `json:"leader,omitempty"`
	Version   string   `json:"version,omitempty"`
}

// ProbeReply is the outcome of a probe that was not refused.
type ProbeReply struct {
	Code    int    `json:"code"`    // GlusterFS's: 0 done, 1 localhost, 2 known already
	Message string `json:"message"` // "" for done
}

// DetachReq asks to take a node out of the pool.
type DetachReq struct {
	Host  string `json:"hostname"`
	Force bool   `json:"force,omitempty"`
}

// CreateReq asks for a new volume.
type CreateReq struct {
	Name      string   `json:"name"`
	Replica   int      `json:"replica"` // bricks per set that hold data or stand in for it; 0 or 1: no replication
	Arbiter   int      `json:"arbiter"` // how many of the Replica are arbiters: 0 or 1
	Transport string   `json:"transport"`
	Bricks    []string `json:"bricks"` // host:/path
	Force     bool     `json:"force,omitempty"`
}

// VolumeReq names a volume for start, stop, delete.
type VolumeReq struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty"`
}

// VolumeReply names the volume that was acted on.
type VolumeReply struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	// Warning says what is not done yet, lines for a person.
	Warning string `json:"warning,omitempty"`
}

// Option is one option of a volume.
type Option struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Volume describes a volume.
type Volume struct {
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Status    string   `json:"status"`    // Created, Started, Stopped
	Replica   int      `json:"replica"`   // bricks per set, 1 if not replicated
	Arbiter   int      `json:"arbiter"`   // arbiters among them
	Transport string   `json:"transport"` // tcp
	Bricks    []Brick  `json:"bricks"`
	Options   []Option `json:"options"` // newest first, then the cluster-wide ones
}

// Brick describes one brick of a volume.
type Brick struct {
	Host    string `json:"host"`
	Path    string `json:"path"`
	ID      string `json:"id"` // brick-id, VOL-client-N
	NodeID  string `json:"node"`
	Arbiter bool   `json:"arbiter,omitempty"`
}

// StatusReq asks for the state of the bricks of one volume, or of all.
type StatusReq struct {
	Name   string `json:"name"`            // "" or "all": every volume
	Brick  string `json:"brick,omitempty"` // host:path: only this one
	Detail bool   `json:"detail,omitempty"`
	View   string `json:"view,omitempty"` // one of the View constants
}

// StatusReply holds the started volumes and the names of the others.
type StatusReply struct {
	Volumes    []VolumeStatus `json:"volumes"`
	NotStarted []string       `json:"notStarted,omitempty"`
	// Away are nodes that did not answer: their bricks are not in Volumes.
	Away []Away `json:"away,omitempty"`
}

// ProcessState is the state of a process of a node.
type ProcessState struct {
	Name   string `json:"name"` // Self-heal Daemon
	Host   string `json:"hostname"`
	NodeID string `json:"node"`
	Online bool   `json:"online"`
	PID    int    `json:"pid,omitempty"`
}

// Away is a node that did not answer.
type Away struct {
	Host  string `json:"hostname"`
	Since string `json:"since,omitempty"` // RFC 3339; "": it was connected just now
}

// VolumeStatus is the state of a started volume.
type VolumeStatus struct {
	Name   string       `json:"name"`
	Bricks []BrickState `json:"bricks"`
	// Daemons are the node processes that work for the volume.
	Daemons []ProcessState `json:"daemons,omitempty"`
}

// BrickState is the state of a brick as its node's daemon sees it.
type BrickState struct {
	Brick
	Online  bool         `json:"online"`
	Port    int          `json:"port,omitempty"` // TCP; 0 if offline
	PID     int          `json:"pid,omitempty"`  // 0 if there is no process
	Reason  string       `json:"reason,omitempty"`
	Clients []ClientInfo `json:"clients,omitempty"`
	Disk    *Disk        `json:"disk,omitempty"` // with StatusReq.Detail
	View    *BrickView   `json:"view,omitempty"` // with StatusReq.View
}

// Disk describes the filesystem below a brick. Sizes are bytes.
type Disk struct {
	FS         string `json:"fs"`
	Device     string `json:"device"`
	Options    string `json:"options"`
	InodeSize  int    `json:"inodeSize"` // 0: not known
	BlockSize  int64  `json:"blockSize"`
	Total      uint64 `json:"total"`
	Free       uint64 `json:"free"`
	Inodes     uint64 `json:"inodes"`
	FreeInodes uint64 `json:"freeInodes"`
}

// SetReq sets options of a volume, or of the cluster with Name "all".
type SetReq struct {
	Name    string   `json:"name"`
	Options []Option `json:"options"`
}

// GetReq asks for one option's value, or with Key "all" for every one.
type GetReq struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// OptionValue is an option with the value in force.
type OptionValue struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default bool   `json:"default"`
}

// ResetReq takes options back to their defaults; Key "" is all of them.
type ResetReq struct {
	Name  string `json:"name"`
	Key   string `json:"key,omitempty"`
	Force bool   `json:"force,omitempty"`
}

// BrickStatus is what a brick process says of itself on its admin socket.
type BrickStatus struct {
	PID      int          `json:"pid"`
	Volume   string       `json:"volume"`
	VolumeID string       `json:"volumeID"`
	Path     string       `json:"path"`
	Port     int          `json:"port"`
	Data     string       `json:"data,omitempty"` // Place.Socket
	Serving  bool         `json:"serving"`
	Reason   string       `json:"reason,omitempty"` // why it does not serve, or lets no clients in
	Clients  []ClientInfo `json:"clients,omitempty"`
}

type nameReq struct {
	Name string `json:"name"`
}

type textReply struct {
	Text string `json:"text"`
}

// Place is where a brick serves clients.
type Place struct {
	Port   int    `json:"port"`             // TCP
	Socket string `json:"socket,omitempty"` // for clients on its machine, see protocol/local; "": none
}

// ClientInfo is one client connected to a brick.
type ClientInfo struct {
	Addr  string `json:"addr"`  // host:port
	Name  string `json:"name"`  // what it calls itself: fuse, ...
	Read  uint64 `json:"read"`  // bytes received from it
	Wrote uint64 `json:"wrote"` // bytes sent to it
}
