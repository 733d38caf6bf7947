package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	dleqtypes "github.com/pokt-network/go-dleq/types"
	ring "github.com/pokt-network/ring-go"

	"github.com/pokt-network/poktroll/pkg/crypto/rings"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// Session is an application's session with all that signing and checking need.
type Session struct {
	Header    *sessiontypes.SessionHeader
	Suppliers []string // operator addresses, sorted
	URLs      map[Endpoint]string
	Target    []byte    // a leaf is mined when its key is below
	signers   sync.Pool // of *ringSigner
}

// ringSigner signs for one goroutine at a time: ring-go normalizes the points of a
// ring in place whenever it encodes them.
type ringSigner struct {
	ring    *ring.Ring
	context *ring.SignerContext
}

// Endpoint is what a supplier has staked a URL for.
type Endpoint struct {
	Supplier string
	RPCType  sharedtypes.RPCType
}

// Session fetches the session of application and service at height; 0 is now.
func (c *Client) Session(ctx context.Context, app, service string, height int64) (*Session, error) {
	res, err := sessiontypes.NewQueryClient(c.conn).GetSession(ctx, &sessiontypes.QueryGetSessionRequest{
		ApplicationAddress: app, ServiceId: service, BlockHeight: height,
	})
	if err != nil {
		return nil, fmt.Errorf("session of %s for %s at %d: %w", app, service, height, err)
	}
	s := &Session{Header: res.Session.Header, URLs: make(map[Endpoint]string)}
	for _, supplier := range res.Session.Suppliers {
		s.Suppliers = append(s.Suppliers, supplier.OperatorAddress)
		for _, config := range supplier.Services {
			for _, e := range config.Endpoints {
				if config.ServiceId == service {
					s.URLs[Endpoint{supplier.OperatorAddress, e.RpcType}] = e.Url
				}
			}
		}
	}
	slices.Sort(s.Suppliers)
	if s.Target, err = c.target(ctx, service, s.Header.SessionStartBlockHeight); err != nil {
		return nil, err
	}
	// The ring is the one at the session's last block: poktroll's relay
	// authenticator asks for that height (pkg/crypto/rings/client.go).
	keys, err := c.ringKeys(ctx, app, s.Header.SessionEndBlockHeight)
	if err != nil {
		return nil, err
	}
	if err := c.arm(s, keys); err != nil {
		return nil, fmt.Errorf("ring of %s: %w", app, err)
	}
	return s, nil
}

// arm lets a session be signed for, with the ring of keys.
func (c *Client) arm(s *Session, keys []cryptotypes.PubKey) error {
	first, err := c.newSigner(keys)
	if err != nil {
		return err
	}
	s.signers.New = func() any {
		another, err := c.newSigner(keys)
		if err != nil {
			return err // the first one was made from the same keys
		}
		return another
	}
	s.signers.Put(first)
	return nil
}

func (c *Client) newSigner(keys []cryptotypes.PubKey) (*ringSigner, error) {
	built, err := rings.GetRingFromPubKeys(keys)
	if err != nil {
		return nil, err
	}
	signer, err := built.NewSignerContext(c.key)
	if err != nil {
		return nil, fmt.Errorf("the key is neither the application's nor that of a gateway that it delegates to: %w", err)
	}
	return &ringSigner{built, signer}, nil
}

// sign makes the ring signature of a hash.
func (s *Session) sign(hash [32]byte, key dleqtypes.Scalar) ([]byte, error) {
	signer, ok := s.signers.Get().(*ringSigner)
	if !ok {
		return nil, errors.New("no ring to sign with")
	}
	defer s.signers.Put(signer)
	signature, err := signer.ring.SignWithContext(hash, key, signer.context)
	if err != nil {
		return nil, err
	}
	return signature.Serialize()
}

func (c *Client) target(ctx context.Context, service string, start int64) ([]byte, error) {
	res, err := servicetypes.NewQueryClient(c.conn).RelayMiningDifficultyAtHeight(ctx,
		&servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest{ServiceId: service, BlockHeight: start})
	if err != nil {
		return nil, fmt.Errorf("difficulty of %s at %d: %w", service, start, err)
	}
	return res.RelayMiningDifficulty.TargetHash, nil
}

func (c *Client) ringKeys(ctx context.Context, app string, sessionEnd int64) ([]cryptotypes.PubKey, error) {
	res, err := apptypes.NewQueryClient(c.conn).Application(ctx, &apptypes.QueryGetApplicationRequest{Address: app})
	if err != nil {
		return nil, fmt.Errorf("application %s: %w", app, err)
	}
	gateways := rings.GetRingAddressesAtSessionEndHeight(&res.Application, uint64(sessionEnd))
	if len(gateways) == 0 {
		gateways = []string{rings.PlaceholderRingAddress} // a ring needs two
	}
	members := append([]string{app}, gateways...)
	slices.Sort(members)
	keys := make([]cryptotypes.PubKey, len(members))
	for i, address := range members {
		if keys[i] = rings.PlaceholderRingPubKey; address == rings.PlaceholderRingAddress {
			continue
		}
		if keys[i], err = c.pubKey(ctx, address); err != nil {
			return nil, fmt.Errorf("ring of %s: %w", app, err)
		}
	}
	return keys, nil
}
