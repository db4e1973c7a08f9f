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

// A Beginner is a translator that can take a request now and answer it later. One goroutine can
// so have several subvolumes at work, which costs less than a goroutine for each.
type Beginner interface {
	// Begin starts the fop of q, a pointer to one of package fop's requests. What wait
	// returns, once, is what the fop's method would have. A nil wait: this fop cannot be
	// begun, and nothing was done.
	Begin(ctx context.Context, q any) (wait func() (any, error))
}

// WindEach is Wind for requests that differ between subvolumes: q makes that of to[i]. It is
// called on the calling goroutine.
func WindEach[T, Q, R any](ctx context.Context, to []T, f func(T, context.Context, *Q) (R, error), q func(i int) *Q) []Result[R] {
	out := make([]Result[R], len(to))
	waits := make([]func() (any, error), len(to))
	var wg sync.WaitGroup
	var last func() // the last that cannot be begun is done here
	for i := range to {
		q := q(i)
		if b, ok := any(to[i]).(Beginner); ok {
			if waits[i] = b.Begin(ctx, q); waits[i] != nil {
				continue
			}
		}
		if last != nil {
			wg.Go(last)
		}
		last = func() { out[i].Reply, out[i].Err = f(to[i], ctx, q) }
	}
	if last != nil {
		last()
	}
	for i, wait := range waits {
		if wait != nil {
			var r any
			r, out[i].Err = wait()
			out[i].Reply, _ = r.(R)
		}
	}
	wg.Wait()
	return out
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
