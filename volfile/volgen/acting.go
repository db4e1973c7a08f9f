package volgen

// Which graphs' translator an option is for, where both have one.
const (
	onBoth = iota
	onBrick
	onClient
)

// daemon is the type of options that the daemons act on: they are in no volfile.
const daemon = ""

// spec is an option that gofs acts on.
type spec struct {
	key  string // of volume set
	typ  string // translator's type, or daemon
	opt  string // the translator's own key
	kind kind
	min  float64  // with max, the range of a number; both 0: no limit
	max  float64  // inf: only min counts
	list []string // the values of an enum
	on   int
	doc  string // one line for "volume set help"
}

const (
	inf   = 1 << 53
	inf32 = 1<<32 - 2 // the largest user or group
)

var (
	logLevels = []string{"DEBUG", "WARNING", "ERROR", "INFO", "CRITICAL", "NONE", "TRACE"}
	none      []string
)

// acting holds the options that have a meaning in gofs. Those of clients hold from the
// next mount, those of a brick's disk from its next start, the other ones of bricks at
// once.
var acting = []spec{
	{"cluster.lookup-optimize", "cluster/distribute", "lookup-optimize", boolean, 0, 0, none, onBoth, "Trust a directory's layout: a name that is missing where its hash says does not exist."},
	{"cluster.min-free-disk", "cluster/distribute", "min-free-disk", percentOrSize, 0, 100, none, onBoth, "New files avoid subvolumes with less free space than this."},
	{"cluster.min-free-inodes", "cluster/distribute", "min-free-inodes", percent, 0, 100, none, onBoth, "New files avoid subvolumes with a smaller share of free inodes than this."},
	{"cluster.subvols-per-directory", "cluster/distribute", "directory-layout-spread", number, 1, inf, none, onBoth, "Over how many subvolumes the files of one directory are spread."},
	{"cluster.rsync-hash-regex", "cluster/distribute", "rsync-hash-regex", regex, 0, 0, none, onBoth, "Temporary names that match are hashed by the part in the first group."},
	{"cluster.extra-hash-regex", "cluster/distribute", "extra-hash-regex", regex, 0, 0, none, onBoth, "As cluster.rsync-hash-regex, for another program's temporary names."},
	{"cluster.randomize-hash-range-by-gfid", "cluster/distribute", "randomize-hash-range-by-gfid", boolean, 0, 0, none, onBoth, "Which subvolume begins a new directory's layout depends on its GFID and not on its path."},
	{"cluster.weighted-rebalance", "cluster/distribute", "weighted-rebalance", boolean, 0, 0, none, onBoth, "New directories give larger subvolumes a larger share."},

	{"cluster.read-subvolume", "cluster/replicate", "read-subvolume", text, 0, 0, none, onBoth, "The brick (VOL-client-N) that reads prefer while it is good."},
	{"cluster.read-subvolume-index", "cluster/replicate", "read-subvolume-index", number, -1, inf, none, onBoth, "The brick that reads prefer, by its place in the set; -1 for none."},
	{"cluster.read-hash-mode", "cluster/replicate", "read-hash-mode", number, 0, 5, none, onBoth, "How reads choose among good bricks."},
	{"cluster.quorum-type", "cluster/replicate", "quorum-type", enum, 0, 0, []string{"none", "auto", "fixed"}, onBoth, "How many bricks of a set must be up: more than half (auto), cluster.quorum-count of them (fixed), any (none)."},
	{"cluster.quorum-count", "cluster/replicate", "quorum-count", number, 1, inf, none, onBoth, "Bricks that must be up with cluster.quorum-type fixed."},
	{"cluster.choose-local", "cluster/replicate", "choose-local", boolean, 0, 0, none, onBoth, "Reads prefer a good brick on the client's own machine."},
	{"cluster.post-op-delay-secs", "cluster/replicate", "post-op-delay-secs", count, 0, inf, none, onBoth, "Seconds that an idle lock and its marks are kept."},

	{"network.ping-timeout", "protocol/client", "ping-timeout", duration, 1, 1013, none, onBoth, "Seconds of silence after which a brick counts as down."},
	{"network.frame-timeout", "protocol/client", "frame-timeout", duration, 0, 86400, none, onBoth, "Seconds that a brick may take for a request; then it is given up, if the others of its set answer and can go on without it. 0: for ever."},

	{"storage.health-check-interval", "storage/posix", "health-check-interval", duration, 0, 86400, none, onBoth, "Seconds between checks of a brick's disk; 0 for none."},
	{"storage.health-check-timeout", "storage/posix", "health-check-timeout", count, 0, inf, none, onBoth, "Seconds that such a check may take; 0 for no limit."},
	{"storage.owner-uid", "storage/posix", "brick-uid", number, -1, inf32, none, onBoth, "The user that the volume's root directory is given to when a brick starts; -1 leaves it."},
	{"storage.owner-gid", "storage/posix", "brick-gid", number, -1, inf32, none, onBoth, "The group that the volume's root directory is given to when a brick starts; -1 leaves it."},
	{"storage.reserve", "storage/posix", "reserve", percentOrSize, 0, 100, none, onBoth, "The share (or, with a unit or above 100, the bytes) of a brick's disk that clients may not fill; 0 for none."},
	{"storage.create-mask", "storage/posix", "create-mask", number, 0, 0777, none, onBoth, "The permissions that new files may have, at most."},
	{"storage.create-directory-mask", "storage/posix", "create-directory-mask", number, 0, 0777, none, onBoth, "The permissions that new directories may have, at most."},
	{"storage.force-create-mode", "storage/posix", "force-create-mode", number, 0, 0777, none, onBoth, "Permissions that new files get, whatever was asked for."},
	{"storage.force-directory-mode", "storage/posix", "force-directory-mode", number, 0, 0777, none, onBoth, "Permissions that new directories get, whatever was asked for."},
	{"network.inode-lru-limit", "storage/posix", "inode-lru-limit", number, 0, 1048576, none, onBoth, "Inodes that a brick keeps in memory while nobody uses them; 0 for no limit."},
	{"storage.gfid2path", "storage/posix", "gfid2path", boolean, 0, 0, none, onBoth, "Record with every file in which directory and by what name it is."},

	{"diagnostics.brick-log-level", "debug/io-stats", "log-level", enum, 0, 0, logLevels, onBrick, "What bricks write to their logs."},
	{"diagnostics.client-log-level", "debug/io-stats", "log-level", enum, 0, 0, logLevels, onClient, "What mounts write to their logs, if they were not mounted with a log-level."},

	{"features.read-only", "features/read-only", "read-only", boolean, 0, 0, none, onBoth, "Clients refuse every change of the volume's content."},

	{"auth.allow", "protocol/server", "auth.allow", addresses, 0, 0, none, onBoth, "Addresses of clients that may connect; * for all."},
	{"auth.reject", "protocol/server", "auth.reject", addresses, 0, 0, none, onBoth, "Addresses of clients that may not connect."},

	{"diagnostics.latency-measurement", daemon, "latency-measurement", boolean, 0, 0, none, onBoth, "With diagnostics.count-fop-hits: volume profile info shows what the bricks measured."},
	{"diagnostics.count-fop-hits", daemon, "count-fop-hits", boolean, 0, 0, none, onBoth, "With diagnostics.latency-measurement: volume profile info shows what the bricks measured."},
	{"cluster.self-heal-daemon", daemon, "self-heal-daemon", boolean, 0, 0, none, onBoth, "Heal copies that missed changes, in the background."},
	{"cluster.heal-timeout", daemon, "heal-timeout", count, 5, inf, none, onBoth, "Seconds after which the heal daemon looks for work even if nothing has called it."},
	{"cluster.shd-max-threads", daemon, "shd-max-threads", number, 1, 64, none, onBoth, "Inodes that the heal daemon heals at once for each brick of its node."},
	{"cluster.favorite-child-policy", daemon, "favorite-child-policy", enum, 0, 0, []string{"none", "size", "ctime", "mtime", "majority"}, onBoth, "How the heal daemon resolves split-brains of files without being asked."},
	{"cluster.server-quorum-type", daemon, "server-quorum-type", enum, 0, 0, []string{"none", "server"}, onBoth, "With server, a node that sees too few of its peers (cluster.server-quorum-ratio) stops the volume's bricks."},
}
