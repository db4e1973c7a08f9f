package mgmt

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// A Member is what one daemon of a pool shows another before a stream of kind KindPeer
// or KindRaft is used.
type Member struct {
	UUID string
	// Boot counts the daemon's starts in its lower 32 bits, and above them how often it was
	// taken into the pool anew. One that shows a lower number than before runs on an old
	// copy of its state.
	Boot uint64
	Key  []byte // the pool's secret, 32 bytes
}

// ErrOutdated is what a member is told whose Boot is lower than one it had before: its
// state was restored from a backup, or lost.
var ErrOutdated = errors.New("the state of this node is older than what its peers have seen of it")

// ErrStranger is what a daemon is told that is not, or no longer, of the pool.
var ErrStranger = errors.New("not a member of this pool")

// An Admit says whether another member may come in: nil, ErrOutdated, ErrStranger or
// another error, which is told to it.
type Admit func(uuid string, boot uint64) error

// greetTime bounds a greeting.
const greetTime = 2 * time.Second

// greeting is one of the messages with which two members get to know each other: the
// caller's and the answerer's names and nonces, then proofs from both that they have the
// pool's key, then whether they admit each other.
type greeting struct {
	UUID   string `json:"uuid,omitempty"`
	Boot   uint64 `json:"boot,omitempty"`
	Nonce  []byte `json:"nonce,omitempty"`
	Proof  []byte `json:"proof,omitempty"`
	Refuse string `json:"refuse,omitempty"` // nothing, "outdated", "stranger" or a sentence
}

const nonceSize = 32

// proof shows that side ("caller" or "answerer") of a stream knows the key.
func proof(key []byte, side string, kind byte, a, b *greeting) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte("gofs member"), []byte(side), {kind}, []byte(a.UUID), a.Nonce, []byte(b.UUID), b.Nonce,
		fmt.Appendf(nil, "%d %d", a.Boot, b.Boot)} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return h.Sum(nil)
}

// Greet opens a stream of kind to a member of the pool: it writes the first five bytes,
// and returns the other's UUID when both have admitted each other. The caller closes the
// connection if there is an error. ErrStranger and ErrOutdated are then true: what the
// other side, which has proven that it is of the pool, says of this one, unless admit
// returned them.
func Greet(ctx context.Context, nc net.Conn, kind byte, me Member, admit Admit) (string, error) {
	defer bound(ctx, nc)()
	if _, err := nc.Write([]byte(Magic + string(kind))); err != nil {
		return "", err
	}
	mine := hello(me)
	if err := say(nc, mine); err != nil {
		return "", err
	}
	theirs, err := hear(nc)
	if err != nil {
		return "", fmt.Errorf("%v", err) // not proven yet: without ErrStranger
	}
	if !hmac.Equal(theirs.Proof, proof(me.Key, "answerer", kind, mine, theirs)) {
		return "", errors.Join(errors.New("the other daemon does not know this pool's key"), say(nc, refusal(ErrStranger)))
	}
	if err := admit(theirs.UUID, theirs.Boot); err != nil {
		return "", errors.Join(fmt.Errorf("refusing %s: %w", theirs.UUID, err), say(nc, refusal(err)))
	}
	if err := say(nc, &greeting{Proof: proof(me.Key, "caller", kind, mine, theirs)}); err != nil {
		return "", err
	}
	_, err = hear(nc)
	return theirs.UUID, err
}

// Meet answers Greet on a stream whose first five bytes have been read.
func Meet(ctx context.Context, nc net.Conn, kind byte, me Member, admit Admit) (string, error) {
	defer bound(ctx, nc)()
	theirs, err := hear(nc)
	if err != nil {
		return "", err
	}
	mine := hello(me)
	mine.Proof = proof(me.Key, "answerer", kind, theirs, mine)
	if err := say(nc, mine); err != nil {
		return "", err
	}
	last, err := hear(nc)
	if err != nil {
		return "", err
	}
	err = ErrStranger
	if hmac.Equal(last.Proof, proof(me.Key, "caller", kind, theirs, mine)) {
		err = admit(theirs.UUID, theirs.Boot)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("refused %q: %w", theirs.UUID, err), say(nc, refusal(err)))
	}
	return theirs.UUID, say(nc, &greeting{})
}

// bound limits the time of a greeting; what it returns lifts the limit.
func bound(ctx context.Context, nc net.Conn) func() {
	end := time.Now().Add(greetTime)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	nc.SetDeadline(end)
	return func() { nc.SetDeadline(time.Time{}) }
}

func hello(me Member) *greeting {
	g := &greeting{UUID: me.UUID, Boot: me.Boot, Nonce: make([]byte, nonceSize)}
	rand.Read(g.Nonce) // never fails
	return g
}

func say(nc net.Conn, g *greeting) error {
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	frame, err := encode(&message{Body: body})
	if err != nil {
		return err
	}
	_, err = nc.Write(frame)
	return err
}

// hear reads the other side's next message; a refusal is an error.
func hear(nc net.Conn) (*greeting, error) {
	m, err := readMessage(nc)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	g := new(greeting)
	if err := json.Unmarshal(m.Body, g); err != nil {
		return nil, fmt.Errorf("greeting cannot be read: %w", err)
	}
	switch g.Refuse {
	case "":
		return g, nil
	case "outdated":
		return nil, ErrOutdated
	case "stranger":
		return nil, ErrStranger
	}
	return nil, errors.New(g.Refuse)
}

func refusal(err error) *greeting {
	switch {
	case errors.Is(err, ErrOutdated):
		return &greeting{Refuse: "outdated"}
	case errors.Is(err, ErrStranger):
		return &greeting{Refuse: "stranger"}
	}
	return &greeting{Refuse: err.Error()}
}
