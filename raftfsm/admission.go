package raftfsm

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
)

// admissionRetry is how long a leader waits before it tries again to record a
// member.
const admissionRetry = time.Second

// rememberAdmission copies what the log says of this node to its identity, where
// it is known right after a restart.
func (n *Node) rememberAdmission() {
	for {
		select {
		case <-n.closed:
			return
		case <-n.fsm.rosterChanged:
		}
		old := n.identity.get()
		now := old
		n.View(func(s *State) {
			now.Generation = max(now.Generation, s.Generation())
			if e, known := s.Enrolment(now.NodeID); known && e.Instance == now.Instance {
				now.Admission = e.Number
			}
		})
		if now.Generation == old.Generation && now.Admission == old.Admission {
			continue
		}
		err := n.identity.change(func(id *identity) { id.Generation, id.Admission = now.Generation, now.Admission })
		if err != nil {
			n.fail(err) // a disk that cannot keep this cannot keep votes either
		}
	}
}

// enrol keeps the replicated roster true while this node leads: it admits the
// first members as they are met, and records builds that changed. A data
// directory that is new is for an operator to admit, not for this loop.
func (n *Node) enrol(scope context.Context, epoch Epoch) {
	for {
		wait := admissionRetry
		if n.enrolAll(scope, epoch) {
			wait = time.Hour // until somebody says something new
		}
		timer := time.NewTimer(wait)
		select {
		case <-scope.Done():
		case <-timer.C:
		case <-n.acquaintances.fresh:
		}
		timer.Stop()
		if scope.Err() != nil {
			return
		}
	}
}

// enrolAll returns false if something could not be recorded.
func (n *Node) enrolAll(ctx context.Context, epoch Epoch) (complete bool) {
	complete = true
	for _, s := range n.servers() {
		h, met := n.acquaintances.of(string(s.ID))
		if string(s.ID) == n.cfg.NodeID {
			h, met = n.introduce(), true
		}
		if !met {
			continue // its hello will wake us
		}
		var e Enrolment
		n.View(func(st *State) { e, _ = st.Enrolment(h.NodeID) })
		if e.Instance == h.Instance && e.Version == h.Version && e.Commands == h.Commands {
			continue
		}
		cmd := Admit{Epoch: epoch, NodeID: h.NodeID, Instance: h.Instance, Version: h.Version, Commands: h.Commands}
		if _, err := n.Apply(ctx, cmd); err != nil {
			complete = errors.Is(err, ErrConflict) // it will not change by itself
			n.log.Warn("cannot enrol a member", zap.String("member", h.NodeID), zap.Error(err))
		}
	}
	return complete
}
