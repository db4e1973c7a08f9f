package volgen

import (
	"maps"
	"slices"
)

// groups are the sets of options that GlusterFS has files of, for one kind of load each.
var groups = map[string][][2]string{
	"db-workload": {
		{"performance.open-behind", "on"}, {"performance.write-behind", "off"}, {"performance.stat-prefetch", "off"},
		{"performance.quick-read", "off"}, {"performance.strict-o-direct", "on"}, {"performance.read-ahead", "off"},
		{"performance.io-cache", "off"}, {"performance.readdir-ahead", "off"}, {"performance.client-io-threads", "on"},
		{"server.event-threads", "4"}, {"client.event-threads", "4"}, {"performance.read-after-open", "yes"},
	},
	"distributed-virt": {
		{"performance.quick-read", "off"}, {"performance.read-ahead", "off"}, {"performance.io-cache", "off"},
		{"performance.low-prio-threads", "32"}, {"network.remote-dio", "enable"}, {"features.shard", "on"}, {"user.cifs", "off"},
		{"client.event-threads", "4"}, {"server.event-threads", "4"}, {"performance.client-io-threads", "on"}, {"cluster.lookup-optimize", "off"},
	},
	"gluster-block": {
		{"performance.quick-read", "off"}, {"performance.read-ahead", "off"}, {"performance.io-cache", "off"},
		{"performance.stat-prefetch", "off"}, {"performance.open-behind", "off"}, {"performance.readdir-ahead", "off"},
		{"performance.strict-o-direct", "on"}, {"performance.client-io-threads", "on"}, {"performance.io-thread-count", "32"},
		{"performance.high-prio-threads", "32"}, {"performance.normal-prio-threads", "32"}, {"performance.low-prio-threads", "32"},
		{"performance.least-prio-threads", "4"}, {"client.event-threads", "8"}, {"server.event-threads", "8"},
		{"network.remote-dio", "disable"}, {"cluster.eager-lock", "enable"}, {"cluster.quorum-type", "auto"},
		{"cluster.data-self-heal-algorithm", "full"}, {"cluster.locking-scheme", "granular"}, {"cluster.shd-max-threads", "8"},
		{"cluster.shd-wait-qlength", "10000"}, {"features.shard", "on"}, {"features.shard-block-size", "64MB"}, {"user.cifs", "off"},
		{"server.allow-insecure", "on"}, {"cluster.choose-local", "off"}, {"cluster.lookup-optimize", "off"},
	},
	"metadata-cache": {
		{"features.cache-invalidation", "on"}, {"features.cache-invalidation-timeout", "600"}, {"performance.stat-prefetch", "on"},
		{"performance.cache-invalidation", "on"}, {"performance.md-cache-timeout", "600"}, {"network.inode-lru-limit", "200000"},
	},
	"nl-cache": {
		{"features.cache-invalidation", "on"}, {"features.cache-invalidation-timeout", "600"}, {"performance.nl-cache", "on"},
		{"performance.nl-cache-timeout", "600"}, {"network.inode-lru-limit", "200000"},
	},
	"samba": {
		{"features.cache-invalidation", "on"}, {"features.cache-invalidation-timeout", "600"}, {"performance.cache-samba-metadata", "on"},
		{"performance.stat-prefetch", "on"}, {"performance.cache-invalidation", "on"}, {"performance.md-cache-timeout", "600"},
		{"network.inode-lru-limit", "200000"}, {"performance.nl-cache", "on"}, {"performance.nl-cache-timeout", "600"},
		{"performance.readdir-ahead", "on"}, {"performance.parallel-readdir", "on"}, {"performance.write-behind", "off"},
	},
	"virt": {
		{"performance.quick-read", "off"}, {"performance.read-ahead", "off"}, {"performance.io-cache", "off"},
		{"performance.low-prio-threads", "32"}, {"network.remote-dio", "disable"}, {"performance.strict-o-direct", "on"},
		{"cluster.eager-lock", "enable"}, {"cluster.quorum-type", "auto"}, {"cluster.server-quorum-type", "server"},
		{"cluster.data-self-heal-algorithm", "full"}, {"cluster.locking-scheme", "granular"}, {"cluster.shd-max-threads", "8"},
		{"cluster.shd-wait-qlength", "10000"}, {"features.shard", "on"}, {"user.cifs", "off"}, {"cluster.choose-local", "off"},
		{"client.event-threads", "4"}, {"server.event-threads", "4"}, {"performance.client-io-threads", "on"},
		{"network.ping-timeout", "20"}, {"server.tcp-user-timeout", "20"}, {"server.keepalive-time", "10"},
		{"server.keepalive-interval", "2"}, {"server.keepalive-count", "5"}, {"cluster.lookup-optimize", "off"},
	},
}

// Groups returns the names of the groups of options, sorted.
func Groups() []string { return slices.Sorted(maps.Keys(groups)) }

// Group returns the options of a group that can be set in gofs, and the keys of those
// that have no meaning in it. Neither: there is no such group.
func Group(name string) (set [][2]string, skipped []string) {
	v := &Volume{Replica: 3}
	for _, o := range groups[name] {
		if _, _, err := Check(v, o[0], o[1]); err != nil {
			skipped = append(skipped, o[0])
		} else {
			set = append(set, o)
		}
	}
	return set, skipped
}
