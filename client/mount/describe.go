package mount

// A Described option is one of mount -o with what it does, for the manual page.
type Described struct{ Form, Text string }

// Describe lists the options that have an effect, except those of every filesystem (ro,
// noatime, nodev and so on), and what those without are for.
func Describe() []Described {
	return []Described{
		{"_netdev", "For fstab: mount(8) and systemd wait for the network, and the mount for its servers; see retry."},
		{"acl", "Enforce and change POSIX access control lists."},
		{"attribute-timeout=SECONDS", "How long the kernel may take attributes for true."},
		{"background-qlen=N", "Requests that the kernel may have under way in the background."},
		{"backup-volfile-servers=HOST[:HOST...]", "Servers to ask for the volume after the first. Also backupvolfile-server, backupvolfile-servers."},
		{"congestion-threshold=N", "From how many requests on the kernel takes the mount for congested."},
		{"direct-io-mode=yes|no|auto", "Whether files bypass the kernel's page cache."},
		{"enable-ino32[=yes|no]", "Show inode numbers of 32 bits, for old programs."},
		{"entry-timeout=SECONDS", "How long the kernel may take names for true."},
		{"fetch-attempts=N", "How many times all servers are asked before giving up, a second apart."},
		{"fopen-keep-cache[=yes|no]", "Keep a file's cached pages when it is opened."},
		{"gid-timeout=SECONDS", "How long the groups of a process are remembered."},
		{"kernel-writeback-cache=yes|no", "Let the kernel gather writes before it sends them."},
		{"log-file=FILE", "Where to log; by default /var/log/gofs/MOUNT-POINT.log."},
		{"log-level=LEVEL", "TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or NONE; by default what diagnostics.client-log-level of the volume says."},
		{"negative-timeout=SECONDS", "How long the kernel may take for true that a name does not exist."},
		{"oom-score-adj=N", "How readily the kernel kills the process when memory is short."},
		{"retry=SECONDS", "How long to go on if no server answers yet, or the volume's bricks do not run yet; by default 60 with _netdev, else 0. What cannot be is refused at once: a volume that does not exist or is not started."},
		{"run-dir=DIRECTORY", "The run directory of the machine's daemon, which asks the mount for its counters there; by default /run/gofs."},
		{"server-port=PORT", "Where the servers' daemons listen, if not on 24007."},
		{"subdir-mount=DIRECTORY", "Mount a directory of the volume instead of its root."},
		{"transport=tcp|socket", "Accepted for the sake of old entries in fstab; it is TCP."},
		{"use-readdirp=yes|no", "Whether listings bring the attributes of what they list."},
		{"volume-name=NAME", "Mount this translator of the volume's graph instead of the top one."},
		{"xlator-option=NAME.KEY=VALUE", "Set an option of the translators whose names match NAME, for this mount only."},
	}
}
