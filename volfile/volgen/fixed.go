package volgen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The values of a boolean option that is fixed, with their synonyms.
var (
	alwaysOn  = []string{"on", "yes", "true", "enable", "1"}
	alwaysOff = []string{"off", "no", "false", "disable", "0"}
)

// fixed are options that volume create sets, as GlusterFS does, or that people set by
// habit, and whose one value describes what gofs always does. The value is shown as it
// was set.
var fixed = []struct {
	key    string
	values []string
}{
	{"cluster.lookup-unhashed", alwaysOn},
	{"cluster.metadata-self-heal", alwaysOff},
	{"cluster.data-self-heal", alwaysOff},
	{"cluster.entry-self-heal", alwaysOff},
	{"cluster.eager-lock", alwaysOn},
	{"cluster.ensure-durability", alwaysOn},
	{"cluster.granular-entry-heal", alwaysOn},
	{"cluster.use-anonymous-inode", alwaysOn},
	{"features.acl", alwaysOn},
	{"features.ctime", alwaysOn},
	{"features.shard", alwaysOff},
	{"network.remote-dio", alwaysOff},
	{"nfs.disable", alwaysOn},
	{"performance.client-io-threads", alwaysOff},
	{"performance.io-cache", alwaysOff},
	{"performance.parallel-readdir", alwaysOff},
	{"performance.strict-o-direct", alwaysOn},
	{"performance.write-behind", alwaysOff},
	{"server.allow-insecure", alwaysOn},
	{"server.manage-gids", alwaysOff},
	{"server.root-squash", alwaysOff},
	{"server.all-squash", alwaysOff},
	{"storage.fips-mode-rchecksum", alwaysOn},
	{"storage.gfid2path-separator", []string{":"}},
	{"transport.address-family", []string{"inet", "inet6"}},
}

func checkFixed(key, value string, values []string) error {
	if slices.Contains(values, strings.ToLower(value)) {
		return nil
	}
	shown := values
	if len(values) == len(alwaysOn) { // the synonyms go without saying
		shown = values[:1]
	}
	text := fmt.Sprintf("option %s can only be %s in gofs", key, strings.Join(shown, " or "))
	if why := reason(key); why != "" {
		text += ": " + why
	}
	return errors.New(text)
}
