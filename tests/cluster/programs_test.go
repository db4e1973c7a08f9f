package cluster

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// programs are real programs: shell scripts that run in a directory of the mount and
// succeed. $SRC is this module's source, $LOCAL a local directory, $OUT the mount.
var programs = []struct {
	name, needs, script string
}{
	{"git", "git", `git clone -q --no-local "$SRC" repo && cd repo && git fsck --full 2>&1 && test -z "$(git status --porcelain)" &&
		echo x >> README.md && git commit -qam x && git gc -q && git fsck --full 2>&1`},
	{"go", "go", `mkdir mod && cd "$SRC" && git archive HEAD | tar -x -C "$OUT/mod" && cd "$OUT/mod" &&
		export GOFLAGS=-mod=mod GOPROXY=off GOCACHE="$OUT/gocache" && go build ./volfile ./dht/layout ./xlators/fop && go test ./volfile ./dht/layout`},
	{"dbench", "dbench", `dbench -t 10 6 | tail -n 1`},
	{"fio", "fio", `fio --name=v --rw=randrw --bs=4k --size=32m --verify=crc32c --verify_fatal=1 --do_verify=1 --ioengine=psync --numjobs=2 --output=fio.out --runtime=20 || { cat fio.out; false; }`},
	{"sqlite3", "sqlite3", `{ echo 'create table t(a integer primary key, b text);'; for i in $(seq 1500); do echo "insert into t(b) values(hex(randomblob(50)));"; done; } | sqlite3 db &&
		test "$(sqlite3 db 'select count(*) from t')" = 1500 && test "$(sqlite3 db 'pragma integrity_check')" = ok &&
		{ echo 'pragma journal_mode=wal;'; for i in $(seq 500); do echo "begin; update t set b='x' where a=$i; commit;"; done; } | sqlite3 db &&
		test "$(sqlite3 db 'pragma integrity_check')" = ok`},
	{"postgresql", "psql", `bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) && mkdir pg && chown postgres pg && cd / &&
		su postgres -c "$bin/initdb -D $OUT/pg >/dev/null && $bin/pg_ctl -s -w -D $OUT/pg -o '-k $OUT/pg -c listen_addresses=' -l $OUT/pg/log start" &&
		trap "su postgres -c '$bin/pg_ctl -s -m immediate -D $OUT/pg stop'" EXIT &&
		su postgres -c "$bin/pgbench -q -i -s 2 -h $OUT/pg postgres && $bin/pgbench -c 4 -T 10 -h $OUT/pg postgres" 2>&1 &&
		su postgres -c "psql -h $OUT/pg -c 'select count(*) from pgbench_accounts' postgres" | grep 200000 &&
		trap - EXIT && su postgres -c "$bin/pg_ctl -s -w -m fast -D $OUT/pg stop"`},
	{"rsync", "rsync", `mkdir r && rsync -aHAX "$SRC/" r/ && test -z "$(rsync -aHAXi "$SRC/" r/)" && diff -r --no-dereference "$SRC" r &&
		rsync -aHAX r/ "$LOCAL/back/" && diff -r --no-dereference r "$LOCAL/back"`},
	{"tar", "tar", `tar -C "$SRC" -cf "$LOCAL/a.tar" . && mkdir t && tar -C t -xf "$LOCAL/a.tar" && tar -C t -df "$LOCAL/a.tar" && rm -rf t`},
}

// TestPrograms runs real programs on a replicated volume.
func TestPrograms(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	local := c.disks[0] + "/local"
	src := c.disks[0] + "/src"
	if err := os.Mkdir(local, 0o755); err != nil {
		t.Fatal(err)
	}
	// A copy that nobody changes meanwhile.
	c.sh("git clone -q --no-local \"$(git rev-parse --show-toplevel)\" %s && git -C %[1]s config user.email t@example.org && git -C %[1]s config user.name t", src)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.needs); err != nil {
				t.Skip("needs " + p.needs)
			}
			dir := m.path(p.name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			out, err := shell(2*time.Minute, "export SRC=%s LOCAL=%s OUT=%s GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org; cd $OUT\n%s", src, local, dir, p.script)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			t.Logf("%v: %s", time.Since(begin).Round(time.Millisecond), strings.Join(lines[max(0, len(lines)-8):], "\n"))
			if err != nil {
				t.Fatal("it failed")
			}
		})
	}
	c.checkClean()
}
