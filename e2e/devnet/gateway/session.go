package gateway

import (
	"context"
	"fmt"
	"slices"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	ring "github.com/pokt-network/ring-go"

	"github.com/pokt-network/poktroll/pkg/crypto/rings"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

// Session is an application's session with all that signing and checking need.
type Session struct {
	Header    *sessiontypes.SessionHeader
	Suppliers []string // operator addresses, sorted
	Target    []byte   // a leaf is mined when its key is below
	ring      *ring.Ring
	signer    *ring.SignerContext
}

// Session fetches the session of application and service at height.
func (c *Client) Session(ctx context.Context, app, service string, height int64) (*Session, error) {
	res, err := sessiontypes.NewQueryClient(c.conn).GetSession(ctx, &sessiontypes.QueryGetSessionRequest{
		ApplicationAddress: app, ServiceId: service, BlockHeight: height,
	})
	if err != nil {
		return nil, fmt.Errorf("session of %s for %s at %d: %w", app, service, height, err)
	}
	s := &Session{Header: res.Session.Header}
	for _, supplier := range res.Session.Suppliers {
		s.Suppliers = append(s.Suppliers, supplier.OperatorAddress)
	}
	slices.Sort(s.Suppliers)
	if s.Target, err = c.target(ctx, service, s.Header.SessionStartBlockHeight); err != nil {
		return nil, err
	}
	// The ring is the one at the session's last block: poktroll's relay
	// authenticator asks for that height (pkg/crypto/rings/client.go).
	if s.ring, err = c.ring(ctx, app, s.Header.SessionEndBlockHeight); err != nil {
		return nil, err
	}
	if s.signer, err = s.ring.NewSignerContext(c.key); err != nil {
		return nil, fmt.Errorf("application %s is not delegated to this gateway: %w", app, err)
	}
	return s, nil
}

func (c *Client) target(ctx context.Context, service string, start int64) ([]byte, error) {
	res, err := servicetypes.NewQueryClient(c.conn).RelayMiningDifficultyAtHeight(ctx,
		&servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest{ServiceId: service, BlockHeight: start})
	if err != nil {
		return nil, fmt.Errorf("difficulty of %s at %d: %w", service, start, err)
	}
	return res.RelayMiningDifficulty.TargetHash, nil
}

func (c *Client) ring(ctx context.Context, app string, sessionEnd int64) (*ring.Ring, error) {
	res, err := apptypes.NewQueryClient(c.conn).Application(ctx, &apptypes.QueryGetApplicationRequest{Address: app})
	if err != nil {
		return nil, fmt.Errorf("application %s: %w", app, err)
	}
	members := append([]string{app}, rings.GetRingAddressesAtSessionEndHeight(&res.Application, uint64(sessionEnd))...)
	slices.Sort(members)
	keys := make([]cryptotypes.PubKey, len(members))
	for i, address := range members {
		if keys[i], err = c.pubKey(ctx, address); err != nil {
			return nil, fmt.Errorf("ring of %s: %w", app, err)
		}
	}
	built, err := rings.GetRingFromPubKeys(keys)
	if err != nil {
		return nil, fmt.Errorf("ring of %s: %w", app, err)
	}
	return built, nil
}
