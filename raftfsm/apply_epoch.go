package raftfsm

import "fmt"

// maxPartitions bounds what one owner has to fence and read.
const maxPartitions = 4096

func (c Init) apply(s *State) (Result, error) {
	if c.ClusterID == "" || c.Partitions < 1 || c.Partitions > maxPartitions {
		return Result{}, fmt.Errorf("%w: cluster %q with %d partitions", ErrInvalid, c.ClusterID, c.Partitions)
	}
	if s.clusterID == "" {
		s.clusterID, s.partitions, s.generation = c.ClusterID, c.Partitions, max(s.generation, 1)
		return Result{}, nil
	}
	if s.clusterID != c.ClusterID || s.partitions != c.Partitions {
		return Result{}, fmt.Errorf("%w: this is %q with %d partitions, not %q with %d",
			ErrClusterMismatch, s.clusterID, s.partitions, c.ClusterID, c.Partitions)
	}
	return Result{}, nil
}

func (c OpenEpoch) apply(s *State) (Result, error) {
	if s.clusterID == "" {
		return Result{}, ErrNotInitialized
	}
	if c.Owner == "" || c.Epoch.Generation == 0 {
		return Result{}, fmt.Errorf("%w: epoch %s for owner %q", ErrInvalid, c.Epoch, c.Owner)
	}
	order := c.Epoch.Compare(s.epoch)
	if order < 0 || order == 0 && c.Owner != s.owner {
		return Result{}, fmt.Errorf("%w: %s for %s, open is %s for %s", ErrStaleEpoch, c.Epoch, c.Owner, s.epoch, s.owner)
	}
	last := s.owner
	s.epoch, s.owner = c.Epoch, c.Owner
	if order > 0 {
		s.inherit(last)
	}
	s.generation = max(s.generation, c.Epoch.Generation)
	return Result{}, nil
}

// checkEpoch refuses commands of any epoch but the open one: an old leader's
// last words must not count, and nobody can write in an epoch not yet opened.
func (s *State) checkEpoch(e Epoch) error {
	if e.IsZero() || e != s.epoch {
		return fmt.Errorf("%w: %s, open is %s", ErrStaleEpoch, e, s.epoch)
	}
	return nil
}
