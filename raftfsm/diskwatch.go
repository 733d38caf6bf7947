package raftfsm

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Errors that stop a node because its disk does not do its part.
var (
	ErrDiskStalled = errors.New("disk write is stuck")
	ErrDiskFailed  = errors.New("disk write failed")
)

// diskWatch times every write of the raft stores. hashicorp/raft has no such
// watch: heartbeats leave on goroutines of their own, so a leader whose disk
// hangs stays leader for ever while nothing commits (hashicorp/raft #503).
type diskWatch struct {
	limit   time.Duration
	fail    func(error)         // called at a stall or an error; must not block
	observe func(time.Duration) // how long a write took
}

// write runs one disk write. An error is final as well: after a failed fsync the
// kernel may report success for pages it dropped, so it is never tried again.
func (w diskWatch) write(what string, do func() error) error {
	start := time.Now()
	alarm := time.AfterFunc(w.limit, func() {
		w.fail(fmt.Errorf("%w: %s for more than %s", ErrDiskStalled, what, w.limit))
	})
	err := do()
	alarm.Stop()
	w.observe(time.Since(start))
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrDiskFailed, what, err)
		w.fail(err)
	}
	return err
}

// watchedLogs is a log store whose writes are watched.
type watchedLogs struct {
	raft.LogStore
	watch diskWatch
}

func (s watchedLogs) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s watchedLogs) StoreLogs(logs []*raft.Log) error {
	return s.watch.write("store log entries", func() error { return s.LogStore.StoreLogs(logs) })
}

func (s watchedLogs) DeleteRange(first, last uint64) error {
	return s.watch.write("delete log entries", func() error { return s.LogStore.DeleteRange(first, last) })
}

// watchedStable is a stable store whose writes are watched.
type watchedStable struct {
	raft.StableStore
	watch diskWatch
}

func (s watchedStable) Set(key, value []byte) error {
	return s.watch.write("store "+string(key), func() error { return s.StableStore.Set(key, value) })
}

func (s watchedStable) SetUint64(key []byte, value uint64) error {
	return s.watch.write("store "+string(key), func() error { return s.StableStore.SetUint64(key, value) })
}
