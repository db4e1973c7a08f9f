package volgen

// Where an option of a translator that both graphs have goes.
const (
	onBoth = iota
	onBrick
	onClient
)

// spec is an option that gofs acts on.
type spec struct {
	key  string // of volume set
	typ  string // translator's type
	opt  string // the translator's own key
	kind kind
	min  float64  // with max, the range of a number; both 0: no limit
	max  float64  // inf: only min counts
	list []string // the values of an enum
	on   int
	doc  string // one line for "volume set help"
}

const inf = 1 << 53

var (
	logLevels = []string{"DEBUG", "WARNING", "ERROR", "INFO", "CRITICAL", "NONE", "TRACE"}
	none      []string
)

// acting holds the options that have a meaning in gofs. Options of the same key go to
// several translators.
var acting = []spec{
	{"cluster.lookup-unhashed", "cluster/distribute", "lookup-unhashed", enum, 0, 0, []string{"auto", "yes", "no", "enable", "disable", "1", "0", "on", "off"}, onBoth, "Whether a name that is not where its hash says is searched on all subvolumes."},
	{"cluster.lookup-optimize", "cluster/distribute", "lookup-optimize", boolean, 0, 0, none, onBoth, "Trust a directory's layout: a name that is missing where its hash says does not exist."},
	{"cluster.min-free-disk", "cluster/distribute", "min-free-disk", percentOrSize, 0, 100, none, onBoth, "New files avoid subvolumes with less free space than this."},
	{"cluster.min-free-inodes", "cluster/distribute", "min-free-inodes", percent, 0, 100, none, onBoth, "New files avoid subvolumes with fewer free inodes than this."},
	{"cluster.subvols-per-directory", "cluster/distribute", "directory-layout-spread", number, 1, inf, none, onBoth, "Over how many subvolumes the files of one directory are spread."},
	{"cluster.rsync-hash-regex", "cluster/distribute", "rsync-hash-regex", regex, 0, 0, none, onBoth, "Temporary names that match are hashed by the part in the first group."},
	{"cluster.extra-hash-regex", "cluster/distribute", "extra-hash-regex", regex, 0, 0, none, onBoth, "As cluster.rsync-hash-regex, for another program's temporary names."},
	{"cluster.weighted-rebalance", "cluster/distribute", "weighted-rebalance", boolean, 0, 0, none, onBoth, "New directories give larger subvolumes a larger share."},

	{"cluster.read-subvolume", "cluster/replicate", "read-subvolume", text, 0, 0, none, onBoth, "The brick (VOL-client-N) that reads prefer while it is good."},
	{"cluster.read-subvolume-index", "cluster/replicate", "read-subvolume-index", number, -1, inf, none, onBoth, "The brick that reads prefer, by its place in the set; -1 for none."},
	{"cluster.read-hash-mode", "cluster/replicate", "read-hash-mode", number, 0, 5, none, onBoth, "How reads choose among good bricks."},
	{"cluster.choose-local", "cluster/replicate", "choose-local", boolean, 0, 0, none, onBoth, "Reads prefer a brick on the client's own machine."},
	{"cluster.quorum-type", "cluster/replicate", "quorum-type", enum, 0, 0, []string{"none", "auto", "fixed"}, onBoth, "How many bricks of a set must be up: more than half (auto), cluster.quorum-count of them (fixed), any (none)."},
	{"cluster.quorum-count", "cluster/replicate", "quorum-count", number, 1, inf, none, onBoth, "Bricks that must be up with cluster.quorum-type fixed."},
	{"cluster.quorum-reads", "cluster/replicate", "quorum-reads", boolean, 0, 0, none, onBoth, "Whether reads need the quorum too."},
	{"cluster.favorite-child-policy", "cluster/replicate", "favorite-child-policy", enum, 0, 0, []string{"none", "size", "ctime", "mtime", "majority"}, onBoth, "Which copy wins when copies accuse each other."},
	{"cluster.eager-lock", "cluster/replicate", "eager-lock", boolean, 0, 0, none, onBoth, "Keep the lock of an inode while nobody else wants it."},
	{"cluster.post-op-delay-secs", "cluster/replicate", "post-op-delay-secs", number, 0, inf, none, onBoth, "Seconds that an idle lock and its marks are kept."},
	{"cluster.ensure-durability", "cluster/replicate", "ensure-durability", boolean, 0, 0, none, onBoth, "Make data durable before its marks are cleared."},
	{"cluster.granular-entry-heal", "cluster/replicate", "granular-entry-heal", boolean, 0, 0, none, onBoth, "Remember which names of a directory changed, so that heal looks at those only."},
	{"cluster.use-anonymous-inode", "cluster/replicate", "use-anonymous-inode", boolean, 0, 0, none, onBoth, "Heal moves what may live elsewhere to a hidden directory instead of deleting it."},

	{"network.ping-timeout", "protocol/client", "ping-timeout", duration, 0, 1013, none, onBoth, "Seconds of silence after which a brick counts as down."},
	{"network.frame-timeout", "protocol/client", "frame-timeout", duration, 0, 86400, none, onBoth, "Seconds after which a call to a brick is given up; 0 for never."},

	{"storage.owner-uid", "storage/posix", "brick-uid", number, -1, inf, none, onBoth, "Owner given to the root of the volume; -1 leaves it."},
	{"storage.owner-gid", "storage/posix", "brick-gid", number, -1, inf, none, onBoth, "Group given to the root of the volume; -1 leaves it."},
	{"storage.health-check-interval", "storage/posix", "health-check-interval", duration, 0, 86400, none, onBoth, "Seconds between checks of a brick's disk; 0 for none."},
	{"storage.health-check-timeout", "storage/posix", "health-check-timeout", duration, 0, 86400, none, onBoth, "Seconds after which a check that hangs counts as failed; 0 for never."},
	{"storage.reserve", "storage/posix", "reserve", percentOrSize, 0, 100, none, onBoth, "Free space of a brick that is not given to users."},
	{"storage.gfid2path", "storage/posix", "gfid2path", boolean, 0, 0, none, onBoth, "Record with every file in which directory and by what name it is."},
	{"storage.force-create-mode", "storage/posix", "force-create-mode", octal, 0, 0o777, none, onBoth, "Mode bits that every new file gets."},
	{"storage.force-directory-mode", "storage/posix", "force-directory-mode", octal, 0, 0o777, none, onBoth, "Mode bits that every new directory gets."},
	{"storage.create-mask", "storage/posix", "create-mask", octal, 0, 0o777, none, onBoth, "Mode bits that a new file may have."},
	{"storage.create-directory-mask", "storage/posix", "create-directory-mask", octal, 0, 0o777, none, onBoth, "Mode bits that a new directory may have."},
	{"storage.max-hardlinks", "storage/posix", "max-hardlinks", number, 0, 4294967295, none, onBoth, "Names that one file may have."},

	{"features.locks-notify-contention", "features/locks", "notify-contention", boolean, 0, 0, none, onBoth, "Tell the holder of a lock that somebody waits for it."},
	{"features.locks-notify-contention-delay", "features/locks", "notify-contention-delay", number, 0, 60, none, onBoth, "Seconds between two such messages about one lock."},

	{"diagnostics.brick-log-level", "debug/io-stats", "log-level", enum, 0, 0, logLevels, onBrick, "What bricks write to their logs."},
	{"diagnostics.client-log-level", "debug/io-stats", "log-level", enum, 0, 0, logLevels, onClient, "What mounts write to their logs."},
	{"diagnostics.latency-measurement", "debug/io-stats", "latency-measurement", boolean, 0, 0, none, onBoth, "Measure how long operations take."},
	{"diagnostics.count-fop-hits", "debug/io-stats", "count-fop-hits", boolean, 0, 0, none, onBoth, "Count operations."},

	{"auth.allow", "protocol/server", "auth.allow", addresses, 0, 0, none, onBoth, "Addresses of clients that may connect; * for all."},
	{"auth.reject", "protocol/server", "auth.reject", addresses, 0, 0, none, onBoth, "Addresses of clients that may not connect."},
}

// fixed are options that volume create sets, as GlusterFS does, or that people set by
// habit, and whose one value describes what gofs always does.
var fixed = []struct {
	key    string
	values []string
}{
	{"nfs.disable", []string{"on"}},
	{"performance.client-io-threads", []string{"off"}},
	{"storage.fips-mode-rchecksum", []string{"on"}},
	{"transport.address-family", []string{"inet", "inet6"}},
}
