// Package fop holds the nouns of a file operation ("fop"): GFID, iatt, caller,
// and one request and one reply type per fop.
//
// It imports nothing of gofs. Everything above it speaks in these types; only
// protocol/wire knows how they look on the network, only xlators/posix how they
// look on a disk.
//
// Conventions:
//   - An inode is named by its GFID; a directory entry by (Parent, Name). No path
//     ever appears.
//   - Requests are read-only once they were handed to a translator, because one
//     request may be on its way to several subvolumes at once. A layer that wants
//     to change one copies the struct first.
//   - A reply belongs to the caller that receives it.
//   - Sizes and offsets are bytes.
package fop
