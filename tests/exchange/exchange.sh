#!/bin/bash
# exchange.sh GOFS VOLUME-TYPE...: bricks go from real GlusterFS to gofs and back.
#
# Runs in network, mount, pid and host name namespaces that the caller made (see
# exchange_test.go), so that glusterd can have port 24007 and /var/lib/glusterd, and
# everything ends with the script.
GOFS=$1; shift
TYPE="$*"
. "$(dirname "$0")/setup.sh"

fill() { # fill N: a tree with something of everything, named after N
	cd $M
	mkdir -p d$1/sub/deep d$1/empty
	for i in $(seq 40); do echo "file $i of $1" >d$1/file$i; done
	head -c 3000000 /dev/urandom >d$1/big
	ln d$1/file1 d$1/sub/hard1
	ln -s ../file2 d$1/sub/soft
	ln -s nowhere d$1/dangling
	mkfifo d$1/fifo
	mknod d$1/null c 1 3
	echo x >"d$1/name with spaces and é"
	for i in $(seq 10); do mv d$1/file$((i + 10)) d$1/renamed$i; done
	for i in $(seq 5); do mv d$1/file$((i + 20)) d$1/sub/moved$i; done
	mv d$1/sub/deep d$1/deeper
	echo in >d$1/deeper/in
	chmod 4751 d$1/file3
	chown 12:34 d$1/file4
	setfattr -n user.note -v "of $1" d$1/file5 d$1/sub
	touch -d '2001-02-03 04:05:06' d$1/file6
	truncate -s 100000 d$1/file7
	rm d$1/file8
	sync -f .
	cd /
}

change() { # change N: the other implementation's tree
	cd $M
	for i in $(seq 5); do echo more >>d$1/renamed$i; done
	for i in 6 7 8; do rm d$1/renamed$i; done
	mv d$1/sub/moved1 d$1/back1
	mv d$1/renamed9 d$1/file9
	rm d$1/sub/hard1
	ln d$1/file1 d$1/hard-again
	rmdir d$1/empty
	mv d$1/deeper d$1/sub/deeper
	setfattr -x user.note d$1/file5
	setfattr -n user.other -v new d$1/file5
	truncate -s 10 d$1/big
	rm -r d$1/sub/deeper
	cd /
}

gluster_up; fill 1; show >$W/1; gluster_down
gofs_up; show >$W/2
same "gofs on GlusterFS's bricks" $W/1 $W/2
change 1; fill 2; show >$W/3; gofs_down
gluster_up; show >$W/4
same "GlusterFS on gofs's bricks" $W/3 $W/4
change 2; show >$W/5; ls $M >/dev/null
case "$TYPE" in *replica*)
	gluster volume heal v info | grep 'Number of entries' | grep -v ': 0$' && { echo "GlusterFS sees entries to heal"; gluster volume heal v info; exit 1; } ;;
esac
gluster_down
gofs_up; show >$W/6
same "gofs, the second time," $W/5 $W/6
gofs_down
for b in $W/b1 $W/b2 $W/b3; do umount $b; done
echo exchanged
