package pocketchain

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	gatewaytypes "github.com/pokt-network/poktroll/x/gateway/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

// governanceAddress is the authority that the modules obey.
func governanceAddress() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

// governedMsgs are the type URLs that the authority account may send as governance.
func governedMsgs() []string {
	msgs := []sdk.Msg{
		&apptypes.MsgUpdateParams{}, &apptypes.MsgUpdateParam{},
		&gatewaytypes.MsgUpdateParams{}, &gatewaytypes.MsgUpdateParam{},
		&prooftypes.MsgUpdateParams{}, &prooftypes.MsgUpdateParam{},
		&servicetypes.MsgUpdateParams{}, &servicetypes.MsgUpdateParam{},
		&sessiontypes.MsgUpdateParams{}, &sessiontypes.MsgUpdateParam{},
		&sharedtypes.MsgUpdateParams{}, &sharedtypes.MsgUpdateParam{},
		&suppliertypes.MsgUpdateParams{}, &suppliertypes.MsgUpdateParam{},
		&tokenomicstypes.MsgUpdateParams{}, &tokenomicstypes.MsgUpdateParam{},
	}
	urls := make([]string, len(msgs))
	for i, msg := range msgs {
		urls[i] = sdk.MsgTypeURL(msg)
	}
	return urls
}

// Authority is the address to put in the authority field of governed messages.
func (c *Chain) Authority() string { return governanceAddress() }

// Govern sends messages whose authority is the governance module, by the grants
// that genesis gave to the authority account, and waits for their block.
func (c *Chain) Govern(ctx context.Context, msgs ...sdk.Msg) error {
	authority := c.actors.Authority
	exec := authz.NewMsgExec(sdk.AccAddress(authority.Key.PubKey().Address()), msgs)
	if _, err := c.Send(ctx, authority, &exec); err != nil {
		return fmt.Errorf("govern: %w", err)
	}
	return nil
}
