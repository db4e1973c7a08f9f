package wire

import (
	"fmt"

	"github.com/gofs/gofs/xlators/fop"
)

// opNames are the names of the fops on the
var opNames = [OpEnd]string{
	OpLookup: fop.OpLookup.String(), OpCreate: fop.OpCreate.String(), OpMkdir: fop.OpMkdir.String(),
	OpMknod: fop.OpMknod.String(), OpSymlink: fop.OpSymlink.String(), OpLink: fop.OpLink.String(),
	OpUnlink: fop.OpUnlink.String(), OpRmdir: fop.OpRmdir.String(), OpRename: fop.OpRename.String(),
	OpStat: fop.OpStat.String(), OpSetattr: fop.OpSetattr.String(), OpTruncate: fop.OpTruncate.String(),
	OpReadlink: fop.OpReadlink.String(), OpStatfs: fop.OpStatfs.String(), OpGetxattr: fop.OpGetxattr.String(),
	OpSetxattr: fop.OpSetxattr.String(), OpRemovexattr: fop.OpRemovexattr.String(), OpOpen: fop.OpOpen.String(),
	OpOpendir: fop.OpOpendir.String(), OpXattrop: fop.OpXattrop.String(), OpInodelk: fop.OpInodelk.String(),
	OpEntrylk: fop.OpEntrylk.String(), OpRelease: fop.OpRelease.String(), OpForget: "FORGET",
	OpReadv: fop.OpReadv.String(), OpWritev: fop.OpWritev.String(), OpFsync: fop.OpFsync.String(),
	OpFlush: fop.OpFlush.String(), OpFallocate: fop.OpFallocate.String(), OpSeek: fop.OpSeek.String(),
	OpLk: fop.OpLk.String(), OpCopyFileRange: fop.OpCopyFileRange.String(), OpRchecksum: fop.OpRchecksum.String(),
	OpReaddirp: fop.OpReaddirp.String(), OpFsyncdir: fop.OpFsyncdir.String(),
}

// String is the fop's name as GlusterFS writes it.
func (op Op) String() string {
	if op < OpEnd && opNames[op] != "" {
		return opNames[op]
	}
	return fmt.Sprintf("op %d", uint8(op))
}
