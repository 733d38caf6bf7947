package raftfsm

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// ErrInUse is the refusal to touch the files of a node that runs.
var ErrInUse = errors.New("is in use by another process")

// snapshotsKept lets a node fall back when the newest snapshot is damaged.
const snapshotsKept = 3

// storage is where a node keeps its log, its vote and its snapshots.
type storage struct {
	logs      raft.LogStore
	stable    raft.StableStore
	snapshots raft.SnapshotStore
	close     io.Closer
}

// openStorage opens the files of a data directory. A damaged log is an error: the
// node must not start empty and forget what it voted for.
func openStorage(dir string, log hclog.Logger) (s storage, err error) {
	path := filepath.Join(dir, logFile)
	defer func() {
		if r := recover(); r != nil { // bbolt panics on damaged pages
			err = fmt.Errorf("%w: raft log %s: %v", ErrCorrupt, path, r)
		}
	}()
	store, err := raftboltdb.New(raftboltdb.Options{
		Path:        path,
		BoltOptions: &bbolt.Options{Timeout: time.Second}, // another process holds the lock
	})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return storage{}, fmt.Errorf("raft log %s %w", path, ErrInUse)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum),
		errors.Is(err, bbolterrors.ErrVersionMismatch):
		return storage{}, fmt.Errorf("%w: raft log %s: %w", ErrCorrupt, path, err)
	}
	if err != nil {
		return storage{}, fmt.Errorf("open raft log %s: %w", path, err)
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, log)
	if err != nil {
		return storage{}, errors.Join(fmt.Errorf("open snapshots in %s: %w", dir, err), store.Close())
	}
	return storage{logs: store, stable: store, snapshots: snapshots, close: store}, nil
}
