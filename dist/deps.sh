#!/bin/sh
# deps.sh [PACKAGE...] installs what gofs's tests and demo need of a Debian machine, or the
# packages named, if something of it is missing. It does nothing on a machine that has all.
set -eu

missing=""
need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

PATH="$PATH:/usr/sbin:/sbin:/usr/lib/postgresql/bin"
if [ $# -gt 0 ]; then
	for p in "$@"; do
		dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"
	done
else
	need mkfs.xfs xfsprogs
	need fusermount3 fuse3
	need getfattr attr
	need setfacl acl
	need fio fio
	need glusterd glusterfs-server
	need ip iproute2
	need git git
	need ps procps
	need mount mount
	need losetup util-linux
	need dbench dbench
	need sqlite3 sqlite3
	need rsync rsync
	need tar tar
	need rpm rpm
	need logrotate logrotate
	need ls coreutils
	[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || missing="$missing postgresql"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "deps: missing here:$missing; tests that need them are skipped" >&2
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
echo "deps: installing$missing" >&2
# shellcheck disable=SC2086
if ! apt-get install -y --no-install-recommends $missing >/dev/null 2>&1; then
	apt-get update >/dev/null 2>&1 || true
	# shellcheck disable=SC2086
	apt-get install -y --no-install-recommends $missing >/dev/null ||
		echo "deps: could not install$missing; tests that need them are skipped" >&2
fi
