# setup.sh: sourced by the scripts beside it, which have set GOFS and TYPE: three bricks,
# and functions that serve them with GlusterFS or gofs, and show what users see.
set -euo pipefail
W=/run/exchange
A=10.98.0.1

mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p $W /run/gluster /run/lock
for d in /var/lib/glusterd /var/log/glusterfs; do mkdir -p $d; mount -t tmpfs tmpfs $d; done
hostname exchange
ip link set lo up
ip addr add $A/32 dev lo

mount -t tmpfs -o size=2G tmpfs $W
BRICKS=""
for i in 1 2 3; do
	truncate -s 512M $W/$i.img
	mkfs.xfs -q -i size=512 $W/$i.img
	mkdir $W/b$i
	mount -o loop,noatime $W/$i.img $W/b$i
	BRICKS="$BRICKS $A:$W/b$i/v"
done
M=$W/mnt
mkdir $M

eventually() { # eventually COMMAND...: until it succeeds, 20 s at most
	for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
	echo "did not succeed: $*" >&2
	"$@"
}

gluster_up() {
	rm -rf /var/lib/glusterd/*
	glusterd -N >$W/glusterd.out 2>&1 &
	GLUSTERD=$!
	eventually gluster --mode=script pool list
	gluster --mode=script volume create v $TYPE $BRICKS force
	gluster --mode=script volume start v
	eventually mount -t glusterfs $A:/v $M
	eventually stat $M
}

gluster_down() {
	eventually umount $M
	gluster --mode=script volume stop v
	gluster --mode=script volume delete v
	kill $GLUSTERD
	wait $GLUSTERD || true
	for p in $(pgrep -x glusterfsd) $(pgrep -x glusterfs); do kill $p || true; done
	while pgrep -x glusterfsd >/dev/null; do sleep 0.1; done
}

gofs_up() { # gofs_up [OPTION VALUE]...
	rm -rf $W/state
	$GOFS daemon --address $A --workdir $W/state --rundir $W/grun --logdir $W/glog >$W/gofsd.out 2>&1 &
	DAEMON=$!
	export GOFS_SOCK=$W/grun/gofsd.socket
	eventually $GOFS --mode=script pool list
	$GOFS --mode=script volume create v $TYPE $BRICKS force
	[ $# = 0 ] || $GOFS --mode=script volume set v "$@"
	$GOFS --mode=script volume start v
	eventually $GOFS mount $A:/v $M -o log-file=$W/mount.log
	eventually stat $M
}

gofs_down() {
	eventually umount $M
	while pgrep -f "$A:/v" >/dev/null; do sleep 0.05; done # it gives up its leases
	$GOFS --mode=script volume stop v
	kill $DAEMON
	wait $DAEMON || true
}

show() { # everything that a user sees, but the link counts of directories: GlusterFS's lag
	cd $M
	find . -mindepth 1 -printf '%p %y %m %U %G %l %Ts ' \( -type f -printf '%n %s ' -exec sha256sum {} \; -o -printf '\n' \) | sed 's/  .*//' |
		LC_ALL=C sort
	LC_ALL=C find . -mindepth 1 \( -type f -o -type d \) -print0 | LC_ALL=C sort -z | xargs -0 getfattr -d -m '^user' 2>/dev/null
	cd /
}

same() { # same WHAT A B
	diff $2 $3 >$W/diff || { echo "$1 shows something else:"; cat $W/diff; exit 1; }
}

# marks: how many things the good bricks' indexes list; GlusterFS and gofs both read them.
marks() {
	find $W/b?/v/.glusterfs/indices -mindepth 2 -type f ! -name 'xattrop-*' ! -name 'dirty-*' ! -name 'entry-changes-*' | wc -l
}

zero() { # zero COMMAND...: its heal info says 0 of each brick
	"$@" volume heal v info | tee $W/info | grep -c '^Number of entries: 0$' | grep -qx 3
}

# held BRICK: everything that must be the same on all bricks; an arbiter has no data.
held() {
	cd $W/b$1/v
	local arbiter=no
	case "$TYPE" in *arbiter*) [ $1 = 3 ] && arbiter=yes ;; esac
	find . -path ./.glusterfs -prune -o -name '.glusterfs-anonymous*' -prune -o -mindepth 1 -printf '%p %y %m %U %G %l %n\n' | LC_ALL=C sort
	find . -path ./.glusterfs -prune -o -name '.glusterfs-anonymous*' -prune -o -mindepth 1 -print0 | LC_ALL=C sort -z |
		xargs -0 getfattr -h -d -e hex -m '^(user|trusted.gfid|trusted.glusterfs.dht)' 2>/dev/null
	# No copy is accused any more, and none is dirty.
	find . -path ./.glusterfs -prune -o -mindepth 1 -print0 | LC_ALL=C sort -z |
		xargs -0 getfattr -h -d -e hex -m '^trusted.afr' 2>/dev/null | grep -v '^#\|=0x0*$\|^$' || true
	[ $arbiter = yes ] || find . -path ./.glusterfs -prune -o -name '.glusterfs-anonymous*' -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	cd /
}

all_equal() { # all_equal WHO: the bricks are, and no index lists anything
	for b in 1 2 3; do held $b >$W/held$b; done
	same "$1: brick 2 and brick 1" $W/held1 $W/held2
	case "$TYPE" in *arbiter*) sed -i '/^[0-9a-f]\{64\} /d' $W/held1 ;; esac
	same "$1: brick 3 and brick 1" $W/held1 $W/held3
}
