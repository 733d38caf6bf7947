package raftfsm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockPatience is how long another process may take to let go of a log.
const lockPatience = time.Second

// Keys under which the library keeps its term and vote (hashicorp/raft raft.go).
const (
	keyCurrentTerm  = "CurrentTerm"
	keyLastVoteTerm = "LastVoteTerm"
)

// intact runs read, which touches pages of a memory-mapped file, and turns what
// damaged or missing pages do to it, a panic or a fault, into an error.
func intact(path string, read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: raft log %s: %v", ErrCorrupt, path, r)
		}
	}()
	return boltError(path, read())
}

// boltError names the errors of bbolt that tell of damage, and of another process.
func boltError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("raft log %s %w", path, ErrInUse)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum),
		errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: raft log %s: %w", ErrCorrupt, path, err)
	}
	return fmt.Errorf("open raft log %s: %w", path, err)
}

// checkLogFile refuses a file that is shorter than it says: its pages are mapped
// into memory, and touching one that is not there would kill the process.
func checkLogFile(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // a new one
	}
	if err != nil {
		return fmt.Errorf("raft log: %w", err)
	}
	if pages := int64(2 * os.Getpagesize()); info.Size() < pages {
		return fmt.Errorf("%w: raft log %s was cut off: it has %d bytes, its first pages alone %d", ErrCorrupt, path, info.Size(), pages)
	}
	return intact(path, func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockPatience})
		if err != nil {
			return err
		}
		var size int64
		err = db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
		if err = errors.Join(err, db.Close()); err == nil && info.Size() < size {
			err = fmt.Errorf("%w: it was cut off: it has %d bytes, %d were written", bbolterrors.ErrInvalid, info.Size(), size)
		}
		return err
	})
}

// checkLog reads every entry before the library reads some: bbolt has no checksums
// for them, and a node must not act on half of what it had promised to keep. What
// lies behind the newest snapshot that can be read must be there without a gap.
func checkLog(store *raftboltdb.BoltStore, snapshots raft.SnapshotStore) error {
	snapshot, err := newestIntact(snapshots)
	if err != nil {
		return err
	}
	first, err := store.FirstIndex()
	if err != nil {
		return err
	}
	last, err := store.LastIndex()
	if err != nil {
		return err
	}
	if last > snapshot.Index && first > snapshot.Index+1 {
		return fmt.Errorf("%w: entries %d to %d are missing, and no snapshot that can be read holds them", ErrCorrupt, snapshot.Index+1, first-1)
	}
	term := uint64(0)
	for index := first; index != 0 && index <= last; index++ {
		var entry raft.Log
		err := store.GetLog(index, &entry)
		if errors.Is(err, raft.ErrLogNotFound) && index <= snapshot.Index {
			index = snapshot.Index // a snapshot that the leader sent leaves a gap behind
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: entry %d of %d to %d: %w", ErrCorrupt, index, first, last, err)
		}
		if err := checkEntry(index, term, entry); err != nil {
			return err
		}
		if term = entry.Term; index == snapshot.Index && term != snapshot.Term {
			return fmt.Errorf("%w: entry %d is of term %d, the snapshot of it of term %d", ErrCorrupt, index, term, snapshot.Term)
		}
	}
	return checkVote(store, term)
}

// newestIntact is the newest snapshot whose checksum is right, as the library will
// choose it; with an index of 0 if there is none.
func newestIntact(snapshots raft.SnapshotStore) (raft.SnapshotMeta, error) {
	list, err := snapshots.List()
	if err != nil {
		return raft.SnapshotMeta{}, fmt.Errorf("list snapshots: %w", err)
	}
	var problems []error
	for _, s := range list {
		meta, content, err := snapshots.Open(s.ID)
		if err == nil {
			return *meta, content.Close()
		}
		problems = append(problems, fmt.Errorf("snapshot %s: %w", s.ID, err))
	}
	if len(problems) > 0 {
		return raft.SnapshotMeta{}, fmt.Errorf("%w: no snapshot can be read: %w", ErrCorrupt, errors.Join(problems...))
	}
	return raft.SnapshotMeta{}, nil
}

func checkEntry(index, term uint64, entry raft.Log) error {
	if entry.Index != index || entry.Term < term {
		return fmt.Errorf("%w: entry %d says it is entry %d of term %d, after term %d", ErrCorrupt, index, entry.Index, entry.Term, term)
	}
	switch entry.Type {
	case raft.LogCommand:
		if err := checkEnvelope(entry.Data); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		return nil
	case raft.LogConfiguration:
		raft.DecodeConfiguration(entry.Data) // panics
		return nil
	case raft.LogNoop, raft.LogBarrier:
		if len(entry.Data) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: entry %d has type %s and %d bytes", ErrCorrupt, index, entry.Type, len(entry.Data))
}

// checkVote holds the stored term and vote against the last entry's term: a node
// never has an entry, or voted, in a term that it has not heard of.
func checkVote(stable raft.StableStore, last uint64) error {
	terms := make(map[string]uint64)
	for _, key := range []string{keyCurrentTerm, keyLastVoteTerm} {
		term, err := stable.GetUint64([]byte(key))
		if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
			return fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
		}
		terms[key] = term
	}
	if current, vote := terms[keyCurrentTerm], terms[keyLastVoteTerm]; current < last || current < vote {
		return fmt.Errorf("%w: the term is %d, but there is an entry of term %d and a vote in term %d", ErrCorrupt, current, last, vote)
	}
	return nil
}
