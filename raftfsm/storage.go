package raftfsm

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
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
func openStorage(dir string, log hclog.Logger) (storage, error) {
	path := filepath.Join(dir, logFile)
	if err := checkLogFile(path); err != nil {
		return storage{}, err
	}
	var store *raftboltdb.BoltStore
	err := intact(path, func() (err error) {
		store, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{Timeout: lockPatience}})
		return err
	})
	if err != nil {
		return storage{}, err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, log)
	if err != nil {
		return storage{}, errors.Join(fmt.Errorf("open snapshots in %s: %w", dir, err), store.Close())
	}
	if err := intact(path, func() error { return checkLog(store, snapshots) }); err != nil {
		return storage{}, errors.Join(err, store.Close())
	}
	return storage{logs: store, stable: store, snapshots: snapshots, close: store}, nil
}
