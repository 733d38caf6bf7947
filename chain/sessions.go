package chain

import (
	"context"
	"fmt"
	"sync/atomic"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

type sessionQuery struct {
	application, service string
	start                int64
}

// knownSession is what the chain said of a session, and whether anybody wanted to
// know: who did will probably ask for the next one.
type knownSession struct {
	*sessiontypes.Session
	wanted atomic.Bool
}

// Session returns the session of (application, service) that height lies in. Its
// suppliers have their addresses and nothing else.
func (c *Client) Session(ctx context.Context, application, service string, height int64) (*sessiontypes.Session, error) {
	params, err := c.SharedParams(ctx, height)
	if err != nil {
		return nil, err
	}
	start := sharedtypes.GetSessionStartHeight(params, height)
	known, err := c.sessions.get(ctx, sessionQuery{application, service, start})
	if err != nil {
		return nil, err
	}
	if !known.wanted.Load() { // most of the time nothing is written
		known.wanted.Store(true)
	}
	return known.Session, nil
}

func (c *Client) querySession(ctx context.Context, q sessionQuery) (*knownSession, error) {
	res, err := c.session.GetSession(ctx, &sessiontypes.QueryGetSessionRequest{
		ApplicationAddress: q.application,
		ServiceId:          q.service,
		BlockHeight:        q.start,
	})
	if err != nil {
		return nil, fmt.Errorf("query session of %s and service %s at height %d: %w", q.application, q.service, q.start, err)
	}
	return &knownSession{Session: withoutStakes(res.GetSession())}, nil
}

// withoutStakes is a session without what suppliers and applications have staked for,
// which is most of its bytes and changes later.
func withoutStakes(s *sessiontypes.Session) *sessiontypes.Session {
	suppliers := make([]*sharedtypes.Supplier, len(s.GetSuppliers()))
	for i, supplier := range s.GetSuppliers() {
		suppliers[i] = &sharedtypes.Supplier{OperatorAddress: supplier.GetOperatorAddress()}
	}
	return &sessiontypes.Session{
		Header: s.GetHeader(), SessionId: s.GetSessionId(), SessionNumber: s.GetSessionNumber(),
		NumBlocksPerSession: s.GetNumBlocksPerSession(), Suppliers: suppliers,
	}
}
