package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// patient is a transport that spares Raft the failures of sending the log to a node that
// does not even answer heartbeats. Raft counts them, and after a dozen it waits up to ten
// seconds before it sends again: a node that was cut off for a while would be without the
// newest entries for as long after it is back. So a sending that fails returns only once a
// heartbeat was answered, which Raft tries several times a second.
//
// It must be released before Raft is shut down, which waits for those who send.
type patient struct {
	*raft.NetworkTransport

	mu sync.Mutex
	// answered is closed and replaced when a node answers a heartbeat; guarded by mu.
	answered map[raft.ServerID]chan struct{}
	term     uint64        // the newest in which this node led; guarded by mu
	newTerm  chan struct{} // closed and replaced when term grows; guarded by mu
	released chan struct{}
	release  func()
}

var (
	_ raft.WithPreVote = (*patient)(nil)
	_ raft.WithClose   = (*patient)(nil)
)

func newPatient(t *raft.NetworkTransport) *patient {
	p := &patient{NetworkTransport: t, answered: map[raft.ServerID]chan struct{}{}, newTerm: make(chan struct{}), released: make(chan struct{})}
	p.release = sync.OnceFunc(func() { close(p.released) })
	return p
}

// AppendEntries implements raft.Transport.
func (p *patient) AppendEntries(id raft.ServerID, target raft.ServerAddress, q *raft.AppendEntriesRequest, r *raft.AppendEntriesResponse) error {
	answered, newTerm := p.signals(id, q.Term)
	err := p.NetworkTransport.AppendEntries(id, target, q, r)
	if isHeartbeat(q) {
		if err == nil {
			p.noteAnswer(id)
		}
		return err
	}
	if err != nil {
		select {
		case <-answered:
		case <-newTerm: // this node led no more, and leads again
		case <-p.released:
		}
	}
	return err
}

// isHeartbeat tells Raft's heartbeats, which carry nothing but the leader's name, from
// sendings of the log.
func isHeartbeat(q *raft.AppendEntriesRequest) bool {
	return q.PrevLogEntry == 0 && q.PrevLogTerm == 0 && len(q.Entries) == 0 && q.LeaderCommitIndex == 0
}

// signals returns what ends waiting for a node in a term.
func (p *patient) signals(id raft.ServerID, term uint64) (answered, newTerm <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if term > p.term {
		p.term = term
		close(p.newTerm)
		p.newTerm = make(chan struct{})
	}
	if p.answered[id] == nil {
		p.answered[id] = make(chan struct{})
	}
	return p.answered[id], p.newTerm
}

func (p *patient) noteAnswer(id raft.ServerID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.answered[id])
	p.answered[id] = make(chan struct{})
}
