package raftfsm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Recovery is what an offline recovery did.
type Recovery struct {
	NodeID, Address string
	Backup          string // copy of the data directory as it was
	Index           uint64 // of the last log entry
	Generation      uint64 // of the group from now on
	Sessions        int
	OpenIntents     int
	Left            []string // members that were left behind; their data is barred
}

// Recover makes a stopped member a group of its own, after most of the others are
// gone for good. All entries of its log are taken as decided, also those that no
// quorum had confirmed yet; what only the lost members had is lost. The generation
// goes up, so old epochs count nowhere any more, and the old members' data
// directories are barred. backup must not exist; the directory is copied there first.
// An empty address keeps the one that the group knew.
func Recover(dataDir, address, backup string) (r Recovery, err error) {
	id, err := readIdentity(filepath.Join(dataDir, identityFile))
	if err != nil {
		return Recovery{}, err
	}
	if !hasLog(dataDir) {
		return Recovery{}, fmt.Errorf("%w: %s has no log to recover from", ErrLostData, dataDir)
	}
	quiet := hclog.NewNullLogger()
	store, err := openStorage(dataDir, quiet)
	if err != nil {
		return Recovery{}, err
	}
	defer func() { err = errors.Join(err, store.close.Close()) }()
	if _, err := os.Lstat(backup); !errors.Is(err, fs.ErrNotExist) {
		return Recovery{}, fmt.Errorf("back up to %s: %w", backup, errors.Join(err, fs.ErrExist))
	}
	if err := os.CopyFS(backup, os.DirFS(dataDir)); err != nil {
		return Recovery{}, fmt.Errorf("back up %s: %w", dataDir, err)
	}
	rec := &recovery{store: store, id: id, address: address, conf: raft.DefaultConfig()}
	rec.conf.LocalID, rec.conf.Logger = raft.ServerID(id.NodeID), quiet
	if r, err = rec.run(); err != nil {
		return Recovery{}, fmt.Errorf("recover %s (copy in %s): %w", dataDir, backup, err)
	}
	r.Backup = backup
	id.Generation, id.First = r.Generation, nil
	return r, saveIdentity(filepath.Join(dataDir, identityFile), id)
}

type recovery struct {
	store   storage
	id      identity
	address string
	conf    *raft.Config
}

func (rec *recovery) run() (Recovery, error) {
	_, transport := raft.NewInmemTransport("")
	defer func() { _ = transport.Close() }()
	logs, stable, snapshots := rec.store.logs, rec.store.stable, rec.store.snapshots
	members, err := raft.GetConfiguration(rec.conf, newScratchFSM(), logs, stable, snapshots, transport)
	if err != nil {
		return Recovery{}, fmt.Errorf("read membership: %w", err)
	}
	r := Recovery{NodeID: rec.id.NodeID, Address: rec.address}
	for _, s := range members.Servers {
		if string(s.ID) != rec.id.NodeID {
			r.Left = append(r.Left, string(s.ID))
		} else if r.Address == "" {
			r.Address = string(s.Address)
		}
	}
	if r.Address == "" {
		return Recovery{}, fmt.Errorf("%w: %s is in no group", ErrNotFound, rec.id.NodeID)
	}
	fsm := &recoveryFSM{FSM: newScratchFSM(), left: r.Left}
	alone := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(r.NodeID), Address: raft.ServerAddress(r.Address)}}}
	if r.Index, err = lastIndex(logs, snapshots); err != nil {
		return Recovery{}, err
	}
	if err := raft.RecoverCluster(rec.conf, fsm, logs, stable, snapshots, transport, alone); err != nil {
		return Recovery{}, err
	}
	if fsm.broken != nil {
		return Recovery{}, fsm.broken
	}
	fsm.View(func(s *State) {
		r.Generation, r.Sessions = s.Generation(), s.SessionCount()
		for i := range s.Intents() {
			if i.Status == IntentPending {
				r.OpenIntents++
			}
		}
	})
	return r, nil
}

func lastIndex(logs raft.LogStore, snapshots raft.SnapshotStore) (uint64, error) {
	last, err := logs.LastIndex()
	if err != nil {
		return 0, fmt.Errorf("read the end of the log: %w", err)
	}
	list, err := snapshots.List()
	if err != nil {
		return 0, fmt.Errorf("list snapshots: %w", err)
	}
	for _, s := range list {
		last = max(last, s.Index)
	}
	return last, nil
}

func newScratchFSM() *FSM { return NewFSM(func(error) {}, func(time.Duration) {}, nil) }

// recoveryFSM begins a new generation in the snapshot that a recovery ends with.
type recoveryFSM struct {
	*FSM
	left []string
}

// Snapshot implements raft.FSM.
func (f *recoveryFSM) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.Lock()
	f.state.generation++
	for _, id := range f.left {
		f.state.roster.retire(id)
	}
	f.mu.Unlock()
	return f.FSM.Snapshot()
}
