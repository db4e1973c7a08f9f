#!/bin/sh
# demo.sh start|stop: a gofs volume on this machine, made from nothing, in .demo/.
#
# Three nodes, each with a daemon on a loopback address of its own and a brick (XFS on a
# loop device, or a plain directory where there are none), one pool, a volume "demo" of
# two copies and an arbiter across them, mounted at .demo/mnt. start may be run again; stop
# removes every trace.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd -P)
demo=${GOFS_DEMO:-$top/.demo}
gofs=${GOFS_BIN:-$top/bin/gofs}
network=${GOFS_DEMO_NETWORK:-127.0.0} # the nodes are .2, .3 and .4 in it
nodes="1 2 3"
helper=/sbin/mount.gofs
PATH="$PATH:/usr/sbin:/sbin"

address() { echo "$network.$(($1 + 1))"; }
socket() { echo "$demo/n$1/run/gofsd.socket"; }
on() { # on NODE WORDS...: an order at a node
	node=$1
	shift
	"$gofs" --gofsd-sock="$(socket "$node")" "$@"
}

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

start_daemon() { # start_daemon NODE
	dir=$demo/n$1
	alive "$dir/daemon.pid" && on "$1" pool list >/dev/null 2>&1 && return
	mkdir -p "$dir/log"
	setsid "$gofs" daemon --address "$(address "$1")" --workdir "$dir/work" --rundir "$dir/run" --logdir "$dir/log" \
		>>"$dir/daemon.out" 2>&1 </dev/null &
	echo $! >"$dir/daemon.pid"
	wait_for 10 on "$1" pool list || die "the daemon of node $1 does not answer: $(tail -n 1 "$dir/daemon.out")"
}

in_pool() { on 1 pool list | grep -q "$(address "$1")"; }

start_pool() {
	for i in 2 3; do
		in_pool "$i" || on 1 peer probe "$(address "$i")"
	done
}

start_volume() {
	on 1 volume list 2>/dev/null | grep -qx demo ||
		on 1 volume create demo replica 2 arbiter 1 "$(address 1):$demo/b1/demo" "$(address 2):$demo/b2/demo" "$(address 3):$demo/b3/demo" force
	on 1 volume info demo | grep -qx 'Status: Started' || on 1 volume start demo
}

start_mount() {
	mkdir -p "$demo/mnt" 2>/dev/null || umount -l "$demo/mnt"
	mounted "$demo/mnt" && return
	if [ ! -e "$helper" ]; then # also when it is a link to something that is gone
		ln -sfn "$gofs" "$helper"
		touch "$demo/helper"
	fi
	mount -t gofs -o log-file="$demo/log/mount.log" "$(address 1),$(address 2),$(address 3):/demo" "$demo/mnt" || die "cannot mount; see $demo/log/mount.log"
}

show() {
	file=$demo/mnt/gluster.txt
	printf 'GlusterFS ist cool\n' >"$file"
	say "The pool and the volume:"
	on 1 pool list
	on 2 volume info demo
	on 3 volume status demo
	say "The file, through the mount $demo/mnt:"
	ls -l "$file"
	cat "$file"
	say "The same file on the three bricks (size, links, name; the arbiter has no data):"
	for i in $nodes; do
		stat -c '%s bytes  %h links  %n' "$demo/b$i/demo/gluster.txt"
		getfattr --absolute-names -n trusted.gfid -e hex "$demo/b$i/demo/gluster.txt" | grep trusted
	done
	say "It goes on running. Try:"
	cat <<-END
		    cd $demo/mnt
		    export GOFS_SOCK=$(socket 1)        # or of node 2, 3: any of them takes orders
		    $gofs peer status
		    $gofs volume status demo
		    $gofs volume get demo all
		    $gofs volume help
		and kill a brick (its Pid is in the status) or a daemon ($demo/n2/daemon.pid) while you
		write: nothing is lost.

		    make demo-stop      ends it and removes everything
	END
}

start() {
	[ "$(id -u)" = 0 ] || die "needs root, for mounting and for trusted.* attributes"
	[ -e /dev/fuse ] || die "needs /dev/fuse"
	[ -x "$gofs" ] || die "$gofs is missing; run make build"
	mkdir -p "$demo/log"
	for i in $nodes; do start_disk "$i"; done
	[ ! -e "$demo/plain" ] || echo "demo: no XFS on loop devices here; the bricks are plain directories"
	for i in $nodes; do start_daemon "$i"; done
	start_pool
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
	# The daemons first: they would start the bricks again.
	for i in $nodes; do end "$demo/n$i/daemon.pid"; done
	for p in "$demo"/n*/run/vols/*/*.pid; do
		[ -e "$p" ] && end "$p"
	done
	for i in $nodes; do
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
