package pocketchain

import (
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/pokt-network/poktroll/app"
)

// useAddressPrefix sets the SDK's process-wide address prefix, which genesis
// validation reads. Setting it again changes nothing.
func useAddressPrefix() {
	config := sdk.GetConfig()
	prefix := app.AccountAddressPrefix
	if config.GetBech32AccountAddrPrefix() == prefix {
		return
	}
	config.SetBech32PrefixForAccount(prefix, prefix+"pub")
	config.SetBech32PrefixForValidator(prefix+"valoper", prefix+"valoperpub")
	config.SetBech32PrefixForConsensusNode(prefix+"valcons", prefix+"valconspub")
}

// newActors names the accounts. Applications are spread over the gateways.
func newActors(o Options) Actors {
	named := func(kind string, i int) Account { return newAccount(o.ChainID, fmt.Sprintf("%s-%d", kind, i+1)) }
	actors := Actors{
		Authority:    newAccount(o.ChainID, "authority"),
		Validator:    newAccount(o.ChainID, "validator"),
		ServiceOwner: newAccount(o.ChainID, "service-owner"),
	}
	for i := range o.Gateways {
		actors.Gateways = append(actors.Gateways, named("gateway", i))
	}
	for i := range o.Suppliers {
		actors.Suppliers = append(actors.Suppliers, named("supplier", i))
	}
	for i := range o.ApplicationsPerService {
		for _, service := range o.Services {
			n := len(actors.Applications)
			actors.Applications = append(actors.Applications, Application{
				Account: named("app", n),
				Service: service.ID,
				Gateway: actors.Gateways[(n+i)%o.Gateways].Address,
			})
		}
	}
	return actors
}
