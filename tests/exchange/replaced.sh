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

fail() { echo "$@"; cat $W/info; roots; exit 1; }

# roots: what the bricks' roots say of one another.
roots() { getfattr -h -d -e hex -m '^trusted.afr' $W/b?/v 2>/dev/null | grep -v '=0x0*$'; }

# marked: what reset-brick has written: on the others' roots, and on the new one's.
marked() {
	for b in 1 3; do getfattr -h -e hex -n trusted.afr.v-client-1 $W/b$b/v; done 2>/dev/null | grep =
	getfattr -h -e hex -n trusted.afr.dirty $W/b2/v 2>/dev/null | grep =
}

# settled: the mount has ended its changes of the root. While it has not, a brick that goes is
# blamed for having missed them, besides what reset-brick marks.
settled() {
	[ -z "$(getfattr -h -d -e hex -m '^trusted.afr.dirty' $W/b?/v 2>/dev/null | grep '^trusted' | grep -v '=0x0*$')" ]
}

# renew COMMAND...: brick 2 gets an empty disk.
renew() {
	eventually settled || fail "the mount does not end its changes"
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
