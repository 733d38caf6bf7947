package gateway

import (
	"context"
	"fmt"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

const secp256k1URL = "/cosmos.crypto.secp256k1.PubKey"

// pubKey is the key that the chain knows address by.
func (c *Client) pubKey(ctx context.Context, address string) (cryptotypes.PubKey, error) {
	c.mu.Lock()
	known := c.keys[address]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	res, err := authtypes.NewQueryClient(c.conn).AccountInfo(ctx, &authtypes.QueryAccountInfoRequest{Address: address})
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", address, err)
	}
	packed := res.Info.PubKey
	if packed == nil || packed.TypeUrl != secp256k1URL {
		return nil, fmt.Errorf("account %s has no secp256k1 key on chain", address)
	}
	key := new(secp256k1.PubKey)
	if err := key.Unmarshal(packed.Value); err != nil {
		return nil, fmt.Errorf("public key of %s: %w", address, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[address] = key
	return key, nil
}
