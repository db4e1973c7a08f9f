package mgmt

import (
	"context"
	"time"
)

// Methods of a heal daemon's admin socket. Each is about one brick of its node: what it
// does not have there it answers with CodeOffline.
const (
	AskHeal        = "heal"         // HealAsk: nothing
	AskHealInfo    = "heal info"    // HealInfoAsk: HealInfo
	AskHealStats   = "heal stats"   // HealAsk: HealStats
	AskHealResolve = "heal resolve" // ResolveAsk: nothing
)

// HealBrick names a brick of the heal daemon's node.
type HealBrick struct {
	Volume string `json:"volume"`
	Brick  string `json:"brick"` // host:path
}

// HealAsk asks to look at a brick's index now, or with Full at all names below its root.
type HealAsk struct {
	HealBrick
	Full bool `json:"full,omitempty"`
}

// HealInfoAsk asks what is pending in a brick's index.
type HealInfoAsk struct {
	HealBrick
	Entries bool `json:"entries"` // list them, else count only
	Split   bool `json:"split"`   // only those in split-brain
}

// HealInfo is what is pending in a brick's index.
type HealInfo struct {
	Entries []HealEntry `json:"entries,omitempty"`
	Total   int         `json:"total"`
	Split   int         `json:"split"`   // of Total: in split-brain
	Healing int         `json:"healing"` // of Total: being healed, or perhaps only being changed
	// More tells that Entries does not hold all.
	More bool `json:"more,omitempty"`
}

// HealEntry is one inode that is pending.
type HealEntry struct {
	GFID    string `json:"gfid"`
	Path    string `json:"path"` // in the volume, or <gfid:UUID>
	Split   bool   `json:"split,omitempty"`
	Healing bool   `json:"healing,omitempty"`
}

// Crawl is one pass over a brick's index or names.
type Crawl struct {
	Type       string    `json:"type"` // INDEX or FULL
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"` // zero: it goes on
	Healed     int       `json:"healed"`
	SplitBrain int       `json:"splitBrain"`
	Failed     int       `json:"failed"`
}

// HealStats are a brick's last crawls, oldest first, and what was healed since the heal
// daemon runs.
type HealStats struct {
	Crawls  []Crawl `json:"crawls"`
	Healed  int64   `json:"healed"`
	Written int64   `json:"written"` // bytes
}

// ResolveAsk asks to end a split-brain.
type ResolveAsk struct {
	HealBrick
	// How is bigger-file, latest-mtime or source-brick: the last means Brick.
	How  string `json:"how"`
	File string `json:"file"` // path in the volume or gfid:UUID; "": all that are in split-brain
}

// Healed is what came of a ResolveAsk for one file.
type Healed struct {
	File  string `json:"file"`
	Error string `json:"error,omitempty"`
}

// HealReq is volume heal: What is index, full, info, stats or resolve.
type HealReq struct {
	Name    string      `json:"name"`
	What    string      `json:"what"`
	Brick   string      `json:"brick,omitempty"`
	Info    HealInfoAsk `json:"info,omitzero"`
	Resolve ResolveAsk  `json:"resolve,omitzero"`
}

// HealReply holds, by brick in the volume's order, what heal daemons answered.
type HealReply struct {
	Replica int           `json:"replica"`
	Bricks  []HealedBrick `json:"bricks"`
}

// HealedBrick is the answer about one brick.
type HealedBrick struct {
	Brick
	Connected bool       `json:"connected"`
	Error     string     `json:"error,omitempty"`
	Info      *HealInfo  `json:"info,omitempty"`
	Stats     *HealStats `json:"stats,omitempty"`
	Healed    []Healed   `json:"healed,omitempty"`
}

const methodHeal = "volume heal"

// Heal asks the heal daemons of a volume's nodes.
func (c *Client) Heal(ctx context.Context, q *HealReq) (*HealReply, error) {
	return ask[HealReply](ctx, c, methodHeal, q)
}
