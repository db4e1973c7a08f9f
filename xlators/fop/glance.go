package fop

import "time"

// What a client that looks at marks, and relies on what it saw, asks for, so that it is
// told (xlator.Invalidate) when somebody is blamed: see xlators/upcall.
const (
	// GlanceXattr is the last of Want in a Lookup or Open. It has no value.
	GlanceXattr = "gofs.glance"
	// CleanXattr is PendingCountXattr (internal) for somebody who relies on it being 0.
	CleanXattr = "glusterfs.gofs-clean"
	// HeardXattr and the Name of an Invalidate event is what a client reads (internal) once
	// it does not rely any more on what it saw before that event.
	HeardXattr = "glusterfs.gofs-heard."
	// GlanceTime is for how long, from its beginning, a look may be relied upon. It is
	// the kernel's own attribute timeout.
	GlanceTime = time.Second
)
