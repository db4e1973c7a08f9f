package xlator

import (
	"context"
	"sync"
)

// Result is what one subvolume answered.
type Result[R any] struct {
	Reply R
	Err   error
}

// Wind performs one fop on every target at once and waits for all of them; the last
// one runs on the calling goroutine. f is a method expression such as
// Xlator.Mkdir or File.Writev. Results are in the order of the targets.
func Wind[T, Q, R any](ctx context.Context, to []T, f func(T, context.Context, Q) (R, error), q Q) []Result[R] {
	return Each(len(to), func(i int) (R, error) { return f(to[i], ctx, q) })
}

// Each calls f(0) … f(n-1) at once and waits for all; the last on the calling
// goroutine. It is Wind for requests that differ between subvolumes.
func Each[R any](n int, f func(i int) (R, error)) []Result[R] {
	out := make([]Result[R], n)
	if n == 0 {
		return out
	}
	var wg sync.WaitGroup
	for i := range n - 1 {
		wg.Go(func() { out[i].Reply, out[i].Err = f(i) })
	}
	out[n-1].Reply, out[n-1].Err = f(n - 1)
	wg.Wait()
	return out
}
