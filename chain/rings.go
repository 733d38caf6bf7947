package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/pokt-network/poktroll/pkg/crypto/rings"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
)

type ringQuery struct {
	application string
	sessionEnd  int64
}

// RingKeys returns the compressed public keys (33 bytes each) that may sign
// relays of application in the session that ends at sessionEnd: its own and
// those of the gateways it is delegated to at that height. The order is the one
// of poktroll pkg/crypto/rings/client.go: sorted by address.
func (c *Client) RingKeys(ctx context.Context, application string, sessionEnd int64) ([][]byte, error) {
	return c.rings.get(ctx, ringQuery{application, sessionEnd})
}

func (c *Client) queryRing(ctx context.Context, q ringQuery) ([][]byte, error) {
	res, err := c.application.Application(ctx, &apptypes.QueryGetApplicationRequest{Address: q.application})
	if err != nil {
		return nil, fmt.Errorf("query application %s: %w", q.application, err)
	}
	app := res.GetApplication()
	gateways := rings.GetRingAddressesAtSessionEndHeight(&app, uint64(q.sessionEnd))
	if len(gateways) == 0 {
		// A ring needs two members; poktroll fills up with a key nobody holds.
		gateways = []string{rings.PlaceholderRingAddress}
	}
	addresses := append([]string{q.application}, gateways...)
	slices.Sort(addresses)
	keys := make([][]byte, len(addresses))
	for i, address := range addresses {
		if keys[i], err = c.ringKey(ctx, address); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func (c *Client) ringKey(ctx context.Context, address string) ([]byte, error) {
	if address == rings.PlaceholderRingAddress {
		return rings.PlaceholderRingPubKey.Bytes(), nil
	}
	return c.PubKey(ctx, address)
}
