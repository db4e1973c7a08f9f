#!/bin/bash
# replaced.sh GOFS VOLUME-TYPE...: a disk that was emptied and given back with reset-brick under
# gofs is filled by GlusterFS, and the reverse; with changes in between.
#
# Runs in namespaces as exchange.sh does, and ends with "replaced".
GOFS=$1; shift
TYPE="$*"
. "$(dirname "$0")/setup.sh"

tree() { # tree N: what will have to be copied
	mkdir -p $M/d$1/deep/deeper $M/d$1/empty
	for i in $(seq 30); do echo "file $i of $1" >$M/d$1/deep/file$i; done
	head -c 2000000 /dev/urandom >$M/d$1/big
	ln $M/d$1/big $M/d$1/deep/hard; ln -s big $M/d$1/soft; mkfifo $M/d$1/fifo
	setfattr -n user.note -v "of $1" $M/d$1/deep $M/d$1/deep/file1
	chmod 2750 $M/d$1/deep; chown 12:34 $M/d$1/deep/file2
	sync -f $M
}

change() { # change N: while the new disk is empty
	echo more >>$M/d$1/deep/file3
	rm $M/d$1/deep/file4; mv $M/d$1/deep/file5 $M/d$1/empty/
	dd if=/dev/urandom of=$M/d$1/big bs=4096 count=3 seek=100 conv=notrunc status=none
	mkdir $M/d$1/late; echo late >$M/d$1/late/f
	sync -f $M
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

fail() { echo "$@"; cat $W/info; roots; exit 1; }

# roots: what the bricks' roots say of one another.
roots() { getfattr -h -d -e hex -m '^trusted.afr' $W/b?/v 2>/dev/null | grep -v '=0x0*$'; }

# marked: what reset-brick has written: on the others' roots, and on the new one's.
marked() {
	for b in 1 3; do getfattr -h -e hex -n trusted.afr.v-client-1 $W/b$b/v; done 2>/dev/null | grep =
	getfattr -h -e hex -n trusted.afr.dirty $W/b2/v 2>/dev/null | grep =
}

# renew COMMAND...: brick 2 gets an empty disk.
renew() {
	"$@" volume reset-brick v $A:$W/b2/v start
	rm -rf $W/b2/v
	"$@" volume reset-brick v $A:$W/b2/v $A:$W/b2/v commit
}

gofs_up cluster.self-heal-daemon off
tree 1; renew $GOFS --mode=script
marked >$W/by-gofs
change 1; show >$W/1; gofs_down
gluster_up; gluster volume heal v
eventually zero gluster || fail "GlusterFS does not fill what gofs has reset"
show >$W/2; same "GlusterFS after healing" $W/1 $W/2
tree 2
gluster_down
all_equal "filled by GlusterFS"

gluster_up
gluster volume heal v disable
renew gluster --mode=script
marked >$W/by-gluster
change 2; show >$W/3; gluster_down
same "what reset-brick marks" $W/by-gluster $W/by-gofs
gofs_up; eventually zero $GOFS || fail "gofs does not fill what GlusterFS has reset"
show >$W/4; same "gofs after healing" $W/3 $W/4
gofs_down
all_equal "filled by gofs"
echo replaced
