package raftfsm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
)

// ErrIdentity is the refusal of a data directory that belongs to another node.
var ErrIdentity = errors.New("data directory belongs to another node")

const (
	identityFile = "node.json"
	logFile      = "raft.db"
)

// identity is what a data directory says of whose it is. A vote is a promise made
// under an id: two nodes under one id, or one id over two logs, would break it.
type identity struct {
	NodeID    string `json:"node_id"`
	ClusterID string `json:"cluster_id"`
	// Instance is drawn when the directory is made; a node that lost its directory
	// comes back as another instance.
	Instance string `json:"instance"`
}

// claimIdentity makes cfg.DataDir ours, or checks that it is.
func claimIdentity(cfg Config) (identity, error) {
	path := filepath.Join(cfg.DataDir, identityFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newIdentity(cfg, path)
	}
	if err != nil {
		return identity{}, fmt.Errorf("read node identity: %w", err)
	}
	var id identity
	if err := json.Unmarshal(raw, &id); err != nil {
		return identity{}, fmt.Errorf("read node identity %s: %w", path, err)
	}
	if id.NodeID != cfg.NodeID || id.ClusterID != cfg.ClusterID {
		return identity{}, fmt.Errorf("%w: %s is of node %q in cluster %q, configured is %q in %q",
			ErrIdentity, cfg.DataDir, id.NodeID, id.ClusterID, cfg.NodeID, cfg.ClusterID)
	}
	return id, nil
}

func newIdentity(cfg Config, path string) (identity, error) {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, logFile)); err == nil {
		return identity{}, fmt.Errorf("%w: %s has a raft log but no %s", ErrIdentity, cfg.DataDir, identityFile)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return identity{}, fmt.Errorf("make data directory: %w", err)
	}
	id := identity{NodeID: cfg.NodeID, ClusterID: cfg.ClusterID, Instance: uuid.NewString()}
	raw, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return identity{}, fmt.Errorf("encode node identity: %w", err)
	}
	if err := writeFileAtomic(path, append(raw, '\n')); err != nil {
		return identity{}, fmt.Errorf("write node identity: %w", err)
	}
	return id, nil
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
