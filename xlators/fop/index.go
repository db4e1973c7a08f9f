package fop

// Directories that exist on no disk: the lists of what may need healing, which
// xlators/index answers Opendir and Readdirp for. Their entries are named as the inodes'
// GFIDs in canonical form, with Iatt.GFID set and nothing else known.
var (
	// IndexPending lists inodes of which some brick is known to have missed changes.
	IndexPending = GFID{'g', 'o', 'f', 's', 'i', 'n', 0xf1, 'd', 0xe0, 'x', 0, 0, 0, 0, 0, 1}
	// IndexDirty lists inodes with a change under way, or left so by a client that died.
	IndexDirty = GFID{'g', 'o', 'f', 's', 'i', 'n', 0xf1, 'd', 0xe0, 'x', 0, 0, 0, 0, 0, 2}
	// IndexEntries lists directories in which names are known that some brick missed.
	IndexEntries = GFID{'g', 'o', 'f', 's', 'i', 'n', 0xf1, 'd', 0xe0, 'x', 0, 0, 0, 0, 0, 3}
)

// namesMask is random: no directory is likely to have another's GFID under it.
var namesMask = GFID{0x8e, 0x1b, 0x5d, 0xc2, 0x37, 0xa9, 0xf4, 0x60, 0x9b, 0x2e, 0x71, 0xd8, 0x05, 0xec, 0x43, 0xb6}

// IndexNames returns the GFID under which the names are listed that some brick missed in
// dir; opening it fails with ESTALE where there are none. It is its own inverse.
func IndexNames(dir GFID) GFID {
	for i := range dir {
		dir[i] ^= namesMask[i]
	}
	return dir
}
