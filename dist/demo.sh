#!/bin/sh
# demo.sh start|stop: a gofs volume on this machine, made from nothing, in .demo/.
#
# Three bricks (XFS on loop devices, or plain directories where there are none), a
# daemon on a loopback address, a volume "demo" of two copies and an arbiter, mounted at
# .demo/mnt. start may be run again; stop removes every trace.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd -P)
demo=${GOFS_DEMO:-$top/.demo}
gofs=${GOFS_BIN:-$top/bin/gofs}
address=${GOFS_DEMO_ADDRESS:-127.0.0.1}
helper=/sbin/mount.gofs
PATH="$PATH:/usr/sbin:/sbin"
export GOFS_SOCK="$demo/run/gofsd.socket"

say() { printf '\n%s\n' "$*"; }
mounted() { grep -q " $1 " /proc/mounts; }
die() { echo "demo: $*" >&2; exit 1; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# alive PIDFILE: the process in it runs and is gofs.
alive() {
	[ -s "$1" ] && pid=$(cat "$1") && [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$gofs" ]
}

dead() { ! alive "$1"; }

start_disk() { # start_disk NAME
	dir=$demo/b$1
	mkdir -p "$dir"
	mounted "$dir" && return
	[ -e "$demo/plain" ] && return
	[ -e "$demo/$1.img" ] || { truncate -s 1G "$demo/$1.img" && mkfs.xfs -q -f "$demo/$1.img" 2>/dev/null; } ||
		{ rm -f "$demo/$1.img"; touch "$demo/plain"; return; }
	mount -o loop,noatime "$demo/$1.img" "$dir" 2>/dev/null || { rm -f "$demo/$1.img"; touch "$demo/plain"; }
}

start_daemon() {
	alive "$demo/daemon.pid" && "$gofs" pool list >/dev/null 2>&1 && return
	setsid "$gofs" daemon --address "$address" --workdir "$demo/work" --rundir "$demo/run" --logdir "$demo/log" \
		>>"$demo/daemon.out" 2>&1 </dev/null &
	echo $! >"$demo/daemon.pid"
	wait_for 10 "$gofs" pool list || die "the daemon does not answer: $(tail -n 1 "$demo/daemon.out")"
}

start_volume() {
	"$gofs" volume list 2>/dev/null | grep -qx demo ||
		"$gofs" volume create demo replica 2 arbiter 1 "$address:$demo/b1/demo" "$address:$demo/b2/demo" "$address:$demo/b3/demo" force
	"$gofs" volume info demo | grep -qx 'Status: Started' || "$gofs" volume start demo
}

start_mount() {
	mkdir -p "$demo/mnt" 2>/dev/null || umount -l "$demo/mnt"
	mounted "$demo/mnt" && return
	if [ ! -e "$helper" ]; then # also when it is a link to something that is gone
		ln -sfn "$gofs" "$helper"
		touch "$demo/helper"
	fi
	mount -t gofs -o log-file="$demo/log/mount.log" "$address:/demo" "$demo/mnt" || die "cannot mount; see $demo/log/mount.log"
}

show() {
	file=$demo/mnt/gluster.txt
	printf 'GlusterFS ist cool\n' >"$file"
	say "The volume:"
	"$gofs" volume info demo
	"$gofs" volume status demo
	say "The file, through the mount $demo/mnt:"
	ls -l "$file"
	cat "$file"
	say "The same file on the three bricks (size, links, name; the arbiter has no data):"
	for i in 1 2 3; do
		stat -c '%s bytes  %h links  %n' "$demo/b$i/demo/gluster.txt"
		getfattr --absolute-names -n trusted.gfid -e hex "$demo/b$i/demo/gluster.txt" | grep trusted
	done
	say "It goes on running. Try:"
	cat <<-END
		    cd $demo/mnt
		    export GOFS_SOCK=$GOFS_SOCK
		    $gofs volume status demo
		    $gofs volume get demo all
		    $gofs volume help
		and kill a brick (its Pid is in the status) while you write: nothing is lost.

		    make demo-stop      ends it and removes everything
	END
}

start() {
	[ "$(id -u)" = 0 ] || die "needs root, for mounting and for trusted.* attributes"
	[ -e /dev/fuse ] || die "needs /dev/fuse"
	[ -x "$gofs" ] || die "$gofs is missing; run make build"
	mkdir -p "$demo/log"
	for i in 1 2 3; do start_disk "$i"; done
	[ ! -e "$demo/plain" ] || echo "demo: no XFS on loop devices here; the bricks are plain directories"
	start_daemon
	start_volume
	start_mount
	show
}

# end PIDFILE: stop the process in it.
end() {
	alive "$1" || return 0
	pid=$(cat "$1")
	kill "$pid" 2>/dev/null || return 0
	wait_for 10 dead "$1" || kill -9 "$pid" 2>/dev/null || true
}

stop() {
	[ -d "$demo" ] || { echo "demo: nothing is running"; return; }
	if mounted "$demo/mnt"; then
		umount "$demo/mnt" 2>/dev/null || umount -l "$demo/mnt"
	fi
	# The daemon first: it would start the bricks again.
	end "$demo/daemon.pid"
	for p in "$demo"/run/vols/*/*.pid; do
		[ -e "$p" ] && end "$p"
	done
	for i in 1 2 3; do
		! mounted "$demo/b$i" || umount "$demo/b$i" || umount -l "$demo/b$i"
	done
	if [ -e "$demo/helper" ] && [ "$(readlink "$helper")" = "$gofs" ]; then
		rm -f "$helper"
	fi
	if grep -q " $demo/" /proc/mounts; then
		die "something is still mounted below $demo; nothing is deleted"
	fi
	rm -rf "$demo"
	echo "demo: stopped and removed"
}

case "${1:-}" in
start) start ;;
stop) stop ;;
*) die "usage: demo.sh start|stop" ;;
esac
