package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// pollCaughtUp is how often a member that catches up is asked about.
const pollCaughtUp = 100 * time.Millisecond

const voter = "voter"

// errNotCaughtUp: the member stays without a vote, and can be promoted later.
var errNotCaughtUp = errors.New("not caught up in time; it is a nonvoter, promote it later")

// admin sends one change.
func (m *membership) admin(ctx context.Context, change func(context.Context, adminpb.AdminClient) error) error {
	_, err := act(ctx, m.options, func(ctx context.Context, c adminpb.AdminClient) (struct{}, error) {
		return struct{}{}, change(ctx, c)
	})
	return err
}

// add makes a node a nonvoter. It is fine if it is one at that address already.
func (m *membership) add(ctx context.Context, id, address string) error {
	known, found, err := m.find(ctx, id)
	if err != nil {
		return err
	}
	if found && known.Address == address && known.Suffrage != voter {
		return nil
	}
	return m.admin(ctx, func(ctx context.Context, c adminpb.AdminClient) error {
		_, err := c.AddMember(ctx, &adminpb.AddMemberRequest{Id: id, Address: address})
		return err
	})
}

func (m *membership) join(ctx context.Context, via string) (id string, err error) {
	answer, err := act(ctx, m.options, func(ctx context.Context, c adminpb.AdminClient) (*adminpb.JoinResponse, error) {
		return c.Join(ctx, &adminpb.JoinRequest{Via: via})
	})
	return answer.GetId(), err
}

func (m *membership) promote(ctx context.Context, id string) error {
	return m.admin(ctx, func(ctx context.Context, c adminpb.AdminClient) error {
		_, err := c.Promote(ctx, &adminpb.PromoteRequest{Id: id})
		return err
	})
}

func (m *membership) demote(ctx context.Context, id string) error {
	return m.admin(ctx, func(ctx context.Context, c adminpb.AdminClient) error {
		_, err := c.Demote(ctx, &adminpb.DemoteRequest{Id: id, Force: m.force})
		return err
	})
}

func (m *membership) remove(ctx context.Context, id string) error {
	return m.admin(ctx, func(ctx context.Context, c adminpb.AdminClient) error {
		_, err := c.Remove(ctx, &adminpb.RemoveRequest{Id: id, Force: m.force})
		return err
	})
}

func (m *membership) drain(ctx context.Context, id string, drained bool) error {
	return m.admin(ctx, func(ctx context.Context, c adminpb.AdminClient) error {
		_, err := c.Drain(ctx, &adminpb.DrainRequest{Id: id, Drained: drained})
		return err
	})
}

// settle lets a new member vote once it has caught up.
func (m *membership) settle(ctx context.Context, id string) (changed, error) {
	if m.nonvoter {
		return changed{id, "a nonvoter"}, nil
	}
	return changed{id, "a voter"}, m.promoteSoon(ctx, id)
}

func (m *membership) promoteSoon(ctx context.Context, id string) error {
	end := time.Now().Add(m.wait)
	for last := ""; ; {
		err := m.promote(ctx, id)
		if !m.worthWaiting(err) {
			return err
		}
		if word := status.Convert(err).Message(); word != last {
			m.tell("%s", word)
			last = word
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: %w", id, errNotCaughtUp)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollCaughtUp):
		}
	}
}

// worthWaiting: the member lags, or leadership is moving.
func (m *membership) worthWaiting(err error) bool {
	code := status.Code(err)
	return err != nil && (code == codes.OutOfRange || code == codes.FailedPrecondition || code == codes.Unavailable)
}

// replace goes through the steps that are not done yet. The new member votes before
// the old one goes, unless it takes over the old one's id.
func (m *membership) replace(ctx context.Context, old, id, address string) error {
	if old == id {
		if err := m.retire(ctx, old, address); err != nil {
			return err
		}
	}
	known, found, err := m.find(ctx, id)
	if err != nil {
		return err
	}
	if !found || known.Suffrage != voter {
		m.tell("adding %s at %s", id, address)
		if err := m.add(ctx, id, address); err != nil {
			return err
		}
		if err := m.promoteSoon(ctx, id); err != nil {
			return err
		}
	}
	if old == id {
		return nil
	}
	return m.retire(ctx, old, "")
}

// retire removes a member, after it handed over if it leads. It is fine if there is
// none, or if it is at the new address already.
func (m *membership) retire(ctx context.Context, id, except string) error {
	known, found, err := m.find(ctx, id)
	if err != nil || !found || known.Address == except && known.Suffrage != voter {
		return err
	}
	if known.Leader {
		m.tell("%s leads: handing over", id)
		if _, err := handOver(ctx, m.options, &adminpb.TransferLeaderRequest{}); err != nil {
			return err
		}
	}
	m.tell("removing %s", id)
	return m.remove(ctx, id)
}

func (m *membership) find(ctx context.Context, id string) (member, bool, error) {
	members, err := ask(ctx, m.options, askMembers)
	if err != nil {
		return member{}, false, err
	}
	for _, known := range members {
		if known.ID == id {
			return known, true, nil
		}
	}
	return member{}, false, nil
}
