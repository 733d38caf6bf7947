package pocketchain

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Account is a chain account whose key the devnet holds. Keys follow from the
// chain id and the account's name, so a devnet started twice has the same ones.
type Account struct {
	Name    string
	Address string
	Key     *secp256k1.PrivKey
}

func newAccount(chainID, name string) Account {
	secret := sha256.Sum256([]byte(chainID + "/" + name))
	key := secp256k1.GenPrivKeyFromSecret(secret[:])
	return Account{Name: name, Address: sdk.AccAddress(key.PubKey().Address()).String(), Key: key}
}

// Hex is the private key as the gateways' and suppliers' tools read it.
func (a Account) Hex() string { return hex.EncodeToString(a.Key.Key) }

// Application is an account staked for one service and delegated to a gateway.
type Application struct {
	Account
	Service string
	Gateway string
}

// Actors are the accounts that genesis creates.
type Actors struct {
	Authority    Account // may send any Msg/UpdateParam(s) through Chain.UpdateParams
	Validator    Account // operator of the only validator
	ServiceOwner Account
	Applications []Application
	Gateways     []Account
	Suppliers    []Account
}

// all lists every account, in the order of their account numbers.
func (a Actors) all() []Account {
	accounts := []Account{a.Authority, a.Validator, a.ServiceOwner}
	for _, app := range a.Applications {
		accounts = append(accounts, app.Account)
	}
	accounts = append(accounts, a.Gateways...)
	return append(accounts, a.Suppliers...)
}
