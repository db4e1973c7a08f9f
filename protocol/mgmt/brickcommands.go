package mgmt

// The commands that ask bricks something, as the command line gives them to a daemon.

// Operations of ProfileReq.
const (
	ProfileStart = "start"
	ProfileStop  = "stop"
	ProfileInfo  = "info"
)

// ProfileReq asks for a volume's profile, or starts or stops that it can be asked for.
type ProfileReq struct {
	Name string `json:"name"`
	Op   string `json:"op"`
	ProfileAsk
}

// ProfileReply has a report per brick, of ProfileInfo.
type ProfileReply struct {
	Name   string          `json:"name"`
	Bricks []BrickProfiles `json:"bricks,omitempty"`
}

// BrickProfiles is one brick's report.
type BrickProfiles struct {
	Brick
	ProfileReport
	Error string `json:"error,omitempty"`
}

// TopReq asks for a volume's busiest files.
type TopReq struct {
	Name  string `json:"name"`
	Brick string `json:"brick,omitempty"` // host:path: only this one
	TopAsk
}

// TopReply has a ranking per brick.
type TopReply struct {
	Name   string     `json:"name"`
	Bricks []BrickTop `json:"bricks"`
}

// BrickTop is one brick's ranking.
type BrickTop struct {
	Brick
	TopReport
	Error string `json:"error,omitempty"`
}

// StatedumpReq asks for dumps of a volume's bricks, or of one of its clients.
type StatedumpReq struct {
	Name   string   `json:"name"`
	Parts  []string `json:"parts,omitempty"`
	Daemon string   `json:"daemon,omitempty"` // nfs or quotad, which gofs does not have
	Client string   `json:"client,omitempty"` // host:pid
}

// FilesReply names files that were written: host:path.
type FilesReply struct {
	Files []string `json:"files"`
}

// ClearReq asks to clear locks.
type ClearReq struct {
	Name string `json:"name"`
	ClearAsk
}

// ClearReply has what was cleared, by brick that has the file.
type ClearReply struct {
	Bricks []BrickCleared `json:"bricks"`
}

// BrickCleared is what one brick cleared.
type BrickCleared struct {
	Brick
	ClearReport
}

// BarrierReq raises or lowers the barrier of all bricks of a volume. Op is enable or
// disable; anything else is refused.
type BarrierReq struct {
	Name string `json:"name"`
	Op   string `json:"op"`
}

// RotateReq asks bricks to begin new log files.
type RotateReq struct {
	Name  string `json:"name"`
	Brick string `json:"brick,omitempty"` // host:path: only this one
}

// SyncReq asks to take the configuration of volumes from a peer.
type SyncReq struct {
	Host string `json:"host"`
	Name string `json:"name,omitempty"` // of a volume; "": all
}

// Kinds of StateReq.
const (
	StateDetail  = "detail"
	StateOptions = "volumeoptions"
)

// StateReq asks a daemon to write what it knows to a file.
type StateReq struct {
	Dir  string `json:"dir,omitempty"`  // "": the run directory
	File string `json:"file,omitempty"` // "": a name with the time in it
	Kind string `json:"kind,omitempty"` // "": the usual
}

// StateReply names the file.
type StateReply struct {
	Path string `json:"path"`
}
