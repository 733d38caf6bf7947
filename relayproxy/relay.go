package relayproxy

import (
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/relayproxy/meter"
)

// relay is one request on its way through the pipeline. It owns its bytes: no
// transport buffer is kept.
type relay struct {
	req      servicetypes.RelayRequest
	route    *route // service and backend
	key      Signer // of the supplier that was asked
	arrived  time.Time
	deadline time.Time

	// Known once verified.
	windows      chain.Windows
	target       []byte // relay mining difficulty
	computeUnits uint64
	charge       meter.Charge // of the first answer
	held         *held        // of its bytes; nil on a WebSocket
	unpaid       bool         // served over the budget: not mined
}

func (r *relay) header() *sessiontypes.SessionHeader { return r.req.Meta.SessionHeader }
