package chaintest

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/raftminer/raftminer/chain"
)

// The codes of a message that the proof module refuses. It answers with errors of
// gRPC, which lose its own codes on the way out.
const (
	refused     = "undefined"
	codeRefused = 1
)

type sessionMsg interface {
	sdk.Msg
	GetSupplierOperatorAddress() string
	GetSessionHeader() *sessiontypes.SessionHeader
}

func keyOf(m sessionMsg) chain.SessionKey {
	return chain.SessionKey{Supplier: m.GetSupplierOperatorAddress(), SessionID: m.GetSessionHeader().GetSessionId()}
}

// against is the code with which x/proof refuses a message at a height; 0 if it does
// not.
func (c *Chain) against(msg sdk.Msg, height int64) uint32 {
	m, ok := msg.(sessionMsg)
	if !ok {
		return 0
	}
	windows, _ := c.Windows(context.Background(), m.GetSessionHeader().GetSessionEndBlockHeight())
	open, closing := windows.ClaimOpen, windows.ClaimClose
	if _, proof := msg.(*prooftypes.MsgSubmitProof); proof {
		if _, claimed := c.Claims[keyOf(m)]; !claimed {
			return codeRefused
		}
		open, closing = windows.ProofOpen, windows.ProofClose
	}
	if height < open || height > closing {
		return codeRefused
	}
	return 0
}
