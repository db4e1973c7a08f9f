package xlator

import (
	"context"
	"fmt"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

// A Batcher is a translator that can take several requests in one message.
type Batcher interface {
	// Batch performs fops one after the other, whether or not those before succeeded, and
	// answers each as its method would. qs are pointers to requests of Lookup, Getxattr,
	// Xattrop, Mknod and Inodelk that does not wait; their Session is the same.
	Batch(ctx context.Context, qs []any) []Result[any]
}

// Batch is Batcher's for any translator.
func Batch(ctx context.Context, x Xlator, qs []any) []Result[any] {
	if b, ok := x.(Batcher); ok {
		return b.Batch(ctx, qs)
	}
	out := make([]Result[any], len(qs))
	for i, q := range qs {
		out[i].Reply, out[i].Err = one(ctx, x, q)
	}
	return out
}

func one(ctx context.Context, x Xlator, q any) (any, error) {
	switch q := q.(type) {
	case *fop.LookupReq:
		return x.Lookup(ctx, q)
	case *fop.GetxattrReq:
		return x.Getxattr(ctx, q)
	case *fop.XattropReq:
		return x.Xattrop(ctx, q)
	case *fop.MknodReq:
		return x.Mknod(ctx, q)
	case *fop.InodelkReq:
		return x.Inodelk(ctx, q)
	}
	return nil, fmt.Errorf("%T cannot be in a batch: %w", q, syscall.EOPNOTSUPP)
}
