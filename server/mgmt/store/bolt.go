package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// logStore keeps Raft's log and its few variables in one bbolt file. Every write is
// durable when it returns.
type logStore struct{ db *bolt.DB }

var (
	_ raft.LogStore    = (*logStore)(nil)
	_ raft.StableStore = (*logStore)(nil)

	logBucket  = []byte("log")  // index, big endian -> JSON of raft.Log
	varsBucket = []byte("vars") // names that Raft chooses
)

// openLog opens or makes the file. Another process that has it open is an error after a
// second: two daemons on one workdir would be one too many.
//
// A damaged file is an error that says what to do.
func openLog(path string) (l *logStore, err error) {
	// The file is mapped: reading beyond its end is a fault, here a panic.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		// bbolt panics when it follows a page number to nowhere.
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil && !errors.Is(err, bolterrors.ErrTimeout) {
			err = fmt.Errorf("the configuration's log %s cannot be used: %w. If this node has peers, move the file away, start the daemon and probe this node from one of them", path, err)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("another daemon uses %s: %w", path, err)
		}
		return nil, err
	}
	if err := whole(db, path); err != nil {
		db.Close()
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(logBucket); err != nil {
			return err
		}
		_, err := tx.CreateBucketIfNotExists(varsBucket)
		return err
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return &logStore{db}, nil
}

// whole reads everything once, so that damage shows now and not in the middle of a vote.
func whole(db *bolt.DB, path string) error {
	return db.View(func(tx *bolt.Tx) error {
		st, err := os.Stat(path)
		if err == nil && st.Size() < tx.Size() {
			err = fmt.Errorf("it has %d bytes of %d", st.Size(), tx.Size())
		}
		if err != nil {
			return err
		}
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			return b.ForEach(func(_, _ []byte) error { return nil })
		})
	})
}

func (l *logStore) Close() error { return l.db.Close() }

func indexKey(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i) }

// FirstIndex returns the index of the oldest entry, 0 if there is none.
func (l *logStore) FirstIndex() (uint64, error) {
	return l.end(func(c *bolt.Cursor) ([]byte, []byte) { return c.First() })
}

// LastIndex returns the index of the newest entry, 0 if there is none.
func (l *logStore) LastIndex() (uint64, error) {
	return l.end(func(c *bolt.Cursor) ([]byte, []byte) { return c.Last() })
}

func (l *logStore) end(seek func(*bolt.Cursor) ([]byte, []byte)) (i uint64, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		if k, _ := seek(tx.Bucket(logBucket).Cursor()); k != nil {
			i = binary.BigEndian.Uint64(k)
		}
		return nil
	})
	return i, err
}

// GetLog reads entry i into out; raft.ErrLogNotFound if there is none.
func (l *logStore) GetLog(i uint64, out *raft.Log) error {
	return l.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(logBucket).Get(indexKey(i))
		if v == nil {
			return raft.ErrLogNotFound
		}
		return json.Unmarshal(v, out)
	})
}

// StoreLog writes one entry.
func (l *logStore) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs writes entries in one transaction.
func (l *logStore) StoreLogs(entries []*raft.Log) error {
	return l.db.Update(func(tx *bolt.Tx) error {
		for _, e := range entries {
			v, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if err := tx.Bucket(logBucket).Put(indexKey(e.Index), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteRange removes the entries first to last, inclusive.
func (l *logStore) DeleteRange(first, last uint64) error {
	return l.db.Update(func(tx *bolt.Tx) error {
		c := tx.Bucket(logBucket).Cursor()
		for k, _ := c.Seek(indexKey(first)); k != nil && binary.BigEndian.Uint64(k) <= last; k, _ = c.Next() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Set stores a variable.
func (l *logStore) Set(key, value []byte) error {
	return l.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(varsBucket).Put(key, value) })
}

// Get returns a variable, empty if it was never set.
func (l *logStore) Get(key []byte) (value []byte, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		value = append([]byte{}, tx.Bucket(varsBucket).Get(key)...)
		return nil
	})
	return value, err
}

// SetUint64 stores a number.
func (l *logStore) SetUint64(key []byte, n uint64) error { return l.Set(key, indexKey(n)) }

// GetUint64 returns a number, 0 if it was never set.
func (l *logStore) GetUint64(key []byte) (uint64, error) {
	v, err := l.Get(key)
	if err != nil || len(v) == 0 {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("variable %s has %d bytes instead of 8", key, len(v))
	}
	return binary.BigEndian.Uint64(v), nil
}
