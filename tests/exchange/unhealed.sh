#!/bin/bash
# unhealed.sh GOFS GRANULAR BRICK VOLUME-TYPE...: what a brick missed under GlusterFS is
# healed by gofs, and the reverse. BRICK (0 to 2) is killed while others work; GRANULAR
# (enable, disable) is how GlusterFS records the names that it missed.
#
# Runs in namespaces as exchange.sh does, and ends with "healed".
GOFS=$1; GRANULAR=$2; BRICK=$3; shift 3
TYPE="$*"
. "$(dirname "$0")/setup.sh"
VICTIM=$W/b$((BRICK + 1))/v

before() { # before N: a tree that will be changed
	cd $M
	mkdir -p d$1/gone/deep d$1/moves/in d$1/stays
	for i in $(seq 20); do echo "file $i of $1" >d$1/file$i; done
	for i in $(seq 5); do echo "gone $i" >d$1/gone/deep/f$i; done
	echo inside >d$1/moves/in/f
	head -c 3000000 /dev/urandom >d$1/big
	head -c 300000 /dev/urandom >d$1/shrinks
	echo one >d$1/linked; ln d$1/linked d$1/linked2
	ln d$1/file1 d$1/stays/hard
	setfattr -n user.old -v old d$1/file2 d$1/stays
	sync -f .
	cd /
}

missed() { # missed N: what the brick misses
	cd $M
	mkdir -p d$1/new/deeper/deepest
	for i in $(seq 120); do echo "new $i" >d$1/new/f$i; done
	head -c 2000000 /dev/urandom >d$1/new/deeper/big
	ln -s ../f1 d$1/new/deeper/soft
	mkfifo d$1/new/deepest-fifo; mknod d$1/new/null c 1 3
	ln d$1/new/f1 d$1/new/deeper/hard
	echo again >d$1/new/f2; rm d$1/new/f3; mv d$1/new/f4 d$1/new/deeper/f4
	dd if=/dev/urandom of=d$1/big bs=4096 count=3 seek=100 conv=notrunc status=none
	dd if=/dev/urandom of=d$1/big bs=4096 count=1 seek=2000 conv=notrunc status=none
	truncate -s 1000 d$1/shrinks
	truncate -s 500000 d$1/file3
	echo more >>d$1/file4
	mv d$1/file5 d$1/renamed5
	mv d$1/file6 d$1/stays/moved6
	mv d$1/file7 d$1/file8
	mv d$1/moves d$1/stays/moved
	echo deep >d$1/stays/moved/in/g
	rm -r d$1/gone
	rm d$1/file9; mkdir d$1/file9; echo not a file >d$1/file9/now
	rm d$1/linked
	ln d$1/file10 d$1/stays/ten
	rm d$1/file11; echo another >d$1/file11
	chmod 4751 d$1/file12; chown 12:34 d$1/file13
	setfattr -n user.note -v "of $1" d$1/file14 d$1/stays
	setfattr -x user.old d$1/file2
	touch -d '2001-02-03 04:05:06' d$1/file15
	chmod 1711 d$1/new
	sync -f .
	cd /
}

also() { # also N: what the brick misses after that, in the same directories
	cd $M
	echo late >d$1/late; echo late >d$1/new/late; mkdir d$1/stays/late
	rm d$1/file16; mv d$1/file17 d$1/new/moved17; rm d$1/new/f5
	echo more >>d$1/file4
	rmdir d$1/new/deeper/deepest
	sync -f .
	cd /
}

kill_brick() { # the process that serves the victim
	local pid=$(pgrep -f "(glusterfsd|brick) .*$VICTIM" | head -1)
	[ -n "$pid" ] || { echo "no process serves $VICTIM"; exit 1; }
	kill -9 $pid
	while [ -e /proc/$pid ]; do sleep 0.05; done
}

# lose_brick: gofs starts a killed brick again, but not without its disk.
lose_brick() {
	kill_brick
	eventually umount $W/b$((BRICK + 1))
}
return_disk() { mount -o loop,noatime $W/$((BRICK + 1)).img $W/b$((BRICK + 1)); }

tidied() { # GlusterFS's healer has removed what it kept in its own directory
	gluster volume heal v
	[ -z "$(find $W/b?/v/.glusterfs-anonymous-inode-* -mindepth 1 2>/dev/null)" ]
}

fail() { echo "$@"; cat $W/info; find $W/b?/v/.glusterfs/indices -type f; tail -20 $W/glog/heald*.log 2>/dev/null; exit 1; }

gluster_up
gluster --mode=script volume heal v granular-entry-heal $GRANULAR
before 1; kill_brick; missed 1; show >$W/1
[ $(marks) -gt 20 ] || fail "GlusterFS left nothing to heal"
gluster_down

gofs_up cluster.self-heal-daemon off
lose_brick; also 1; show >$W/1
return_disk
$GOFS --mode=script volume set v cluster.self-heal-daemon on
$GOFS volume start v force
eventually zero $GOFS || fail "gofs does not heal what GlusterFS left"
show >$W/2; same "gofs after healing" $W/1 $W/2
[ $(marks) = 0 ] || fail "gofs left entries in the index"
before 2; gofs_down
all_equal "healed by gofs"
gluster_up; zero gluster || fail "GlusterFS sees entries after gofs has healed"
show >/dev/null; gluster_down

gofs_up; lose_brick; missed 2; show >$W/3
[ $(marks) -gt 20 ] || fail "gofs left nothing to heal"
gofs_down; return_disk
gluster_up; gluster volume heal v
eventually zero gluster || fail "GlusterFS does not heal what gofs left"
eventually tidied
show >$W/4; same "GlusterFS after healing" $W/3 $W/4
gluster_down
all_equal "healed by GlusterFS"
gofs_up; eventually zero $GOFS || fail "gofs sees entries after GlusterFS has healed"
show >$W/5; same "gofs, the second time," $W/3 $W/5
[ $(marks) = 0 ] || fail "entries are left in the index"
gofs_down
echo healed
