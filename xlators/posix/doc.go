// Package posix keeps a brick on a local directory, in GlusterFS's on-disk format.
//
// Beneath the brick's directory the users' tree lies as it is. Each inode carries its
// GFID (trusted.gfid) and has a handle, .glusterfs/xx/yy/<gfid>: a hard link, or for a
// directory a symlink to ../../PX/PY/<parent gfid>/<name>. Non-directories also carry
// one trusted.gfid2path.<hash> per name, and everything trusted.glusterfs.mdata, the
// times that clients gave.
//
// # Reaching inodes
//
// A table in memory knows recently used inodes: by GFID, and by (inode number, birth
// time), so that a warm lookup is one statx. A directory in the table has an open
// descriptor and is only ever used through it; a directory that is not is found by
// reading its handle's target, its parent's, and so on up to one that is known, and then
// opening downwards one name at a time, checking the GFID of each. The kernel never
// walks a handle's symlink and never follows a user's. Non-directories are reached by
// their handle, which is a hard link and therefore no user's path either.
//
// This process is the only writer of the brick while it runs; nothing that the table
// holds outlives it.
//
// What fops cost, in system calls, when what they need is known: a create with a mark 8
// (openat, four fsetxattr, linkat, two statx), a write 2, a read 1, a lookup 1, an unlink
// 5. The first inode of each of the 65536 handle directories costs a mkdir more.
//
// # Crash points
//
// A name never appears without its GFID, and no crash leaves more than the next named
// lookup, the next creation with the same GFID, or the next start puts right:
//
//   - create, mknod, symlink: the object is made at its handle, given its xattrs, and
//     then linked to its name. Stopped before the link: a handle with one link, which
//     answers ESTALE and is reused or replaced when the creation is repeated.
//   - mkdir: made in .glusterfs/staging, given its xattrs and handle, then renamed into
//     place. Stopped before: the start removes it and the handle.
//   - link: gfid2path, then the name. Stopped between: a gfid2path too many, which
//     resolves to a name that is not there and is skipped.
//   - unlink: the handle, then the name. Stopped between: a name without a handle; its
//     next lookup makes the handle anew.
//   - rmdir: the directory, then its handle. Stopped between: a handle to nothing, which
//     answers ESTALE.
//   - rename of a directory: the rename, then the handle is replaced. Stopped between:
//     the next lookup of the new name replaces it.
//   - rename over a last name: the victim's handle is parked in .glusterfs/unlink, then
//     the rename. Stopped between: the start empties unlink/, and the name that is still
//     there gets a new handle at its next lookup.
//
// Times in trusted.glusterfs.mdata reach the disk with the creation of an object; later
// changes do so within a second, and before any Fsync or Release with Sync is answered:
// a killed brick forgets at most a second of timestamps, as a filesystem does.
//
// # Locks
//
//	name stripe(s), ascending
//	  gfid stripe(s), ascending
//	    inode.mu | table.mu | dirty.mu
//
// A holder of a gfid stripe never resolves another GFID.
//
// Volfile:
//
//	volume v-posix
//	    type storage/posix
//	    option directory /bricks/b1
//	    option volume-id 3bc3bed0-d02d-4ad2-a877-13068e2904ac
//	    option brick-id v-client-0
//	end-volume
package posix
