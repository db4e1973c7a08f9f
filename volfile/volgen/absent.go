package volgen

import (
	"fmt"
	"strings"
)

// absent tells why an option cannot be set. The first row that matches holds: with a
// trailing * a row is for all options that begin so.
var absent = []struct{ keys, why string }{
	{"cluster.quorum-reads", "reads need the quorum always"},
	{"cluster.consistent-metadata", "attributes never come from a brick that missed a change"},
	{"cluster.halo-*", "replication is synchronous to every brick"},
	{"cluster.*-change-log cluster.full-lock cluster.locking-scheme", "changes are always marked and locked in the way that is safe and fast"},
	{"cluster.self-heal-window-size cluster.self-heal-readdir-size cluster.heal-wait-queue-length cluster.background-self-heal-count cluster.data-self-heal-algorithm cluster.shd-wait-qlength", "healing takes care of that by itself"},
	{"cluster.disperse-self-heal-daemon", "this version has no disperse volumes"},
	{"cluster.rebal* cluster.lock-migration cluster.force-migration rebalance.*", "this version does not move files between bricks"},
	{"cluster.readdir-optimize cluster.dht-xattr-name cluster.local-volume-name cluster.switch-pattern cluster.use-compound-fops dht.force-readdirp", "directories are read and layouts are kept in one way only"},
	{"disperse.*", "this version has no disperse volumes"},
	{"performance.nfs.* nfs.*", "there is no NFS server in it"},
	{"ganesha.* config.gfproxyd", "it does not control NFS servers or proxies"},
	{"performance.*-threads performance.io-thread-count performance.iot-* performance.enable-least-priority client.event-threads server.event-threads server.own-thread config.*", "there are no pools of threads to size: every request runs on its own"},
	{"performance.*", "it has no performance translators: what GlusterFS has them for, the client and the bricks do without being tuned"},
	{"features.cache-invalidation* features.leases features.lease-lock-recall-timeout features.timeout", "bricks tell clients of changes by themselves"},
	{"client.ssl server.ssl auth.ssl-allow ssl.*", "this version has no TLS"},
	{"server.anonuid server.anongid", "bricks act for the users that clients name"},
	{"server.gid-timeout client.send-gids", "clients always send the groups of a user"},
	{"client.keepalive-* client.tcp-user-timeout server.keepalive-* server.tcp-user-timeout transport.keepalive", "connections are watched by a heartbeat of their own; see network.ping-timeout"},
	{"network.tcp-window-size transport.listen-backlog server.outstanding-rpc-limit client.bind-insecure server.dynamic-auth", "connections are made and limited in one way only"},
	{"network.compression*", "it does not compress what it sends"},
	{"client.strict-locks", "a lock that was lost with a connection is never taken for held"},
	{"features.uss features.snapshot-directory features.show-snapshot-directory", "this version has no snapshots"},
	{"features.quota* features.inode-quota features.default-soft-limit features.soft-timeout features.hard-timeout features.alert-time", "this version has no quota"},
	{"features.bitrot features.scrub* features.expiry-time features.signer-threads", "this version does not look for bit rot"},
	{"features.trash*", "it has no trash directory"},
	{"features.worm* features.default-retention-period features.retention-mode features.auto-commit-period", "it has no write-once files"},
	{"features.shard*", "it does not split files into shards"},
	{"features.cloudsync* features.tag-namespaces features.sdfs features.failover-hosts features.selinux ctime.noatime", "it has no such feature to switch"},
	{"features.locks-* features.enforce-mandatory-lock locks.*", "locks are handed on when somebody waits for them, and are advisory"},
	{"features.barrier*", "volume barrier is the command for it"},
	{"geo-replication.* changelog.*", "this version has no geo-replication"},
	{"debug.* delay-gen.*", "it is for testing GlusterFS itself"},
	{"diagnostics.*", "logs and statistics have one form only"},
	{"storage.linux-* storage.batch-fsync-*", "bricks read, write and sync in one way only"},
	{"storage.*", "bricks do not check or change what it is about"},
	{"server.statedump-path", "the daemon's run directory is where state is dumped"},
}

// refusal is the sentence for an option of GlusterFS that has no meaning in gofs.
func refusal(key string) error {
	if why := reason(key); why != "" {
		return fmt.Errorf("option %s has no meaning in gofs: %s", key, why)
	}
	return fmt.Errorf("option %s has no meaning in gofs", key)
}

// reason returns the why of the first row that matches, or "".
func reason(key string) string {
	for _, row := range absent {
		for _, pattern := range strings.Fields(row.keys) {
			if match(pattern, key) {
				return row.why
			}
		}
	}
	return ""
}

// match compares a key with a pattern of which one part may be *.
func match(pattern, key string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == key
	}
	return len(key) >= len(before)+len(after) && strings.HasPrefix(key, before) && strings.HasSuffix(key, after)
}
