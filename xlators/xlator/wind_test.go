package xlator

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// question and reply are of a fop that wants n back.
type question struct{ n int }
type reply struct{ n int }

// direct has no beginning. With meet, it answers only while another one is at work.
type direct struct{ meet chan struct{} }

func (d direct) Ask(_ context.Context, q *question) (*reply, error) {
	if d.meet != nil {
		select {
		case d.meet <- struct{}{}:
		case <-d.meet:
		}
	}
	if q.n < 0 {
		return nil, errors.New("negative")
	}
	return &reply{q.n}, nil
}

// patient can be asked first and answer later, except for 0.
type patient struct {
	direct
	log *[]string
}

func (p patient) Begin(ctx context.Context, q any) func() (any, error) {
	n := q.(*question).n
	if n == 0 {
		return nil
	}
	*p.log = append(*p.log, fmt.Sprint("begin ", n))
	return func() (any, error) {
		*p.log = append(*p.log, fmt.Sprint("wait ", n))
		return p.Ask(ctx, q.(*question))
	}
}

type asker interface {
	Ask(context.Context, *question) (*reply, error)
}

func TestWindEach(t *testing.T) {
	var log []string
	meet := make(chan struct{})
	to := []asker{patient{log: &log}, direct{meet}, patient{log: &log}, patient{log: &log}, direct{meet}}
	numbers := []int{1, 2, -3, 0, 5}
	got := WindEach(t.Context(), to, asker.Ask, func(i int) *question { return &question{numbers[i]} })
	for i, r := range got {
		switch {
		case numbers[i] < 0:
			if r.Err == nil || r.Reply != nil {
				t.Errorf("answer %d = %v, %v; want an error", i, r.Reply, r.Err)
			}
		case r.Err != nil || r.Reply == nil || r.Reply.n != numbers[i]:
			t.Errorf("answer %d = %v, %v; want %d", i, r.Reply, r.Err, numbers[i])
		}
	}
	if want := "[begin 1 begin -3 wait 1 wait -3]"; fmt.Sprint(log) != want {
		t.Errorf("in the order %v, want %s", log, want)
	}
	if got := WindEach(t.Context(), nil, asker.Ask, func(int) *question { return nil }); len(got) != 0 {
		t.Errorf("%d answers of nobody", len(got))
	}
}
