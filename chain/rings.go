package chain

import (
	"context"
	"slices"

	"github.com/pokt-network/poktroll/pkg/crypto/rings"
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

// ringOf asks the chain for nothing that budgets do not ask for, too.
func (c *Client) ringOf(ctx context.Context, q ringQuery) ([][]byte, error) {
	app, err := c.applications.get(ctx, q.application)
	if err != nil {
		return nil, err
	}
	gateways := rings.GetRingAddressesAtSessionEndHeight(app, uint64(q.sessionEnd))
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
