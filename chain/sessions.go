package chain

import (
	"context"
	"fmt"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

type sessionQuery struct {
	application, service string
	start                int64
}

// Session returns the session of (application, service) that height lies in.
func (c *Client) Session(ctx context.Context, application, service string, height int64) (*sessiontypes.Session, error) {
	params, err := c.SharedParams(ctx, height)
	if err != nil {
		return nil, err
	}
	start := sharedtypes.GetSessionStartHeight(params, height)
	return c.sessions.get(ctx, sessionQuery{application, service, start})
}

func (c *Client) querySession(ctx context.Context, q sessionQuery) (*sessiontypes.Session, error) {
	res, err := c.session.GetSession(ctx, &sessiontypes.QueryGetSessionRequest{
		ApplicationAddress: q.application,
		ServiceId:          q.service,
		BlockHeight:        q.start,
	})
	if err != nil {
		return nil, fmt.Errorf("query session of %s and service %s at height %d: %w", q.application, q.service, q.start, err)
	}
	return res.GetSession(), nil
}
