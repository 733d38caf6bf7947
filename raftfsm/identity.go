package raftfsm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"
)

var (
	// ErrIdentity is the refusal of a data directory that belongs to another node.
	ErrIdentity = errors.New("data directory belongs to another node")
	// ErrLostData is the refusal of a node that lost what it had promised to keep.
	ErrLostData = errors.New("node lost its data")
)

const (
	identityFile = "node.json"
	logFile      = "raft.db"
	snapshotDir  = "snapshots" // the library's name for it
)

// identity is what a data directory says of whose it is. A vote is a promise made
// under an id: two nodes under one id, or one id over two logs, would break it.
type identity struct {
	NodeID    string `json:"node_id"`
	ClusterID string `json:"cluster_id"`
	// Instance is drawn when the directory is made; a node that lost its directory,
	// or the log in it, comes back as another instance.
	Instance string `json:"instance"`
	// First are the instances of the first membership, on nodes that took part in it.
	First map[string]string `json:"first_members,omitempty"`
	// Admission and Generation are what the group's log said last of this node and
	// of itself. They are kept here because after a restart the log says nothing
	// until a leader has spoken.
	Admission  uint64 `json:"admission,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
}

// keptIdentity is an identity and the place where it is kept.
type keptIdentity struct {
	mu   sync.Mutex
	id   identity
	save func(identity) error
}

func (k *keptIdentity) get() identity {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id
}

// change replaces the identity once the new one is kept.
func (k *keptIdentity) change(edit func(*identity)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := k.id
	edit(&next)
	if err := k.save(next); err != nil {
		return fmt.Errorf("keep node identity: %w", err)
	}
	k.id = next
	return nil
}

// claimIdentity makes cfg.DataDir ours, or checks that it is.
func claimIdentity(cfg Config) (*keptIdentity, error) {
	path := filepath.Join(cfg.DataDir, identityFile)
	kept := &keptIdentity{save: func(id identity) error { return saveIdentity(path, id) }}
	id, err := readIdentity(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, kept.create(cfg)
	}
	if err != nil {
		return nil, err
	}
	if id.NodeID != cfg.NodeID || id.ClusterID != cfg.ClusterID {
		return nil, fmt.Errorf("%w: %s is of node %q in cluster %q, configured is %q in %q",
			ErrIdentity, cfg.DataDir, id.NodeID, id.ClusterID, cfg.NodeID, cfg.ClusterID)
	}
	if hasLog(cfg.DataDir) {
		kept.id = id
		return kept, nil
	}
	if hasSnapshots(cfg.DataDir) {
		return nil, fmt.Errorf("%w: %s has snapshots but its log %s is gone, and with it this node's votes; move the directory away and add the node again",
			ErrLostData, cfg.DataDir, logFile)
	}
	return kept, kept.create(cfg) // its votes are gone: it is somebody else now
}

// create draws a new instance.
func (k *keptIdentity) create(cfg Config) error {
	if hasLog(cfg.DataDir) {
		return fmt.Errorf("%w: %s has a raft log but no %s", ErrIdentity, cfg.DataDir, identityFile)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	return k.change(func(id *identity) {
		*id = identity{NodeID: cfg.NodeID, ClusterID: cfg.ClusterID, Instance: uuid.NewString()}
	})
}

// hasLog says that a log was begun. bbolt takes an empty file for a new one.
func hasLog(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, logFile))
	return err == nil && info.Size() > 0
}

func hasSnapshots(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, snapshotDir))
	return err == nil && len(entries) > 0
}

func readIdentity(path string) (identity, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return identity{}, fmt.Errorf("read node identity: %w", err)
	}
	var id identity
	if err := json.Unmarshal(raw, &id); err != nil {
		return identity{}, fmt.Errorf("%w: node identity %s: %w", ErrCorrupt, path, err)
	}
	return id, nil
}

func saveIdentity(path string, id identity) error {
	raw, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return writeFileAtomic(path, append(raw, '\n'))
}

// writeFileAtomic leaves either the old file or the whole new one, also after a
// power loss.
func writeFileAtomic(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
