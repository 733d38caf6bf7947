package chain

import (
	"context"
	"fmt"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// PubKey returns the compressed secp256k1 key that the chain holds for address.
// An account that never signed anything may have none.
func (c *Client) PubKey(ctx context.Context, address string) ([]byte, error) {
	return c.pubKeys.get(ctx, address)
}

func (c *Client) queryPubKey(ctx context.Context, address string) ([]byte, error) {
	account, err := c.account(ctx, address)
	if err != nil {
		return nil, err
	}
	key := account.GetPubKey()
	if key == nil {
		return nil, fmt.Errorf("account %s has no public key on chain", address)
	}
	return key.Bytes(), nil
}

func (c *Client) queryAccountNumber(ctx context.Context, address string) (uint64, error) {
	account, err := c.account(ctx, address)
	if err != nil {
		return 0, err
	}
	return account.GetAccountNumber(), nil
}

func (c *Client) account(ctx context.Context, address string) (sdk.AccountI, error) {
	res, err := c.auth.Account(ctx, &authtypes.QueryAccountRequest{Address: address})
	if err != nil {
		return nil, fmt.Errorf("query account %s: %w", address, err)
	}
	var account sdk.AccountI
	if err := accountTypes().UnpackAny(res.GetAccount(), &account); err != nil {
		return nil, fmt.Errorf("decode account %s: %w", address, err)
	}
	return account, nil
}

// accountTypes knows how to decode accounts and their keys.
func accountTypes() codectypes.InterfaceRegistry {
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	authtypes.RegisterInterfaces(registry)
	return registry
}
