package relayproxy

import (
	"math"
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
	unpaid       bool         // over the budget, or simulated: neither charged nor mined
	simulated    *simulation  // nil for a real one
}

// incoming is a relay as a transport has it.
type incoming struct {
	body     []byte // a serialized RelayRequest
	rpcType  []byte // as it is named in a header; none: the service's default
	simulate []byte // id of the pinned key; none for a real relay
	arrived  time.Time
}

// forever are the windows of a session that is on no chain.
var forever = chain.Windows{GraceEnd: math.MaxInt64, ClaimOpen: math.MaxInt64}

// served counts a signed answer.
func (r *relay) served(status int) {
	if r.simulated != nil {
		r.simulated.served.Inc()
		return
	}
	r.route.metrics.serve(status, time.Since(r.arrived))
}

func (r *relay) header() *sessiontypes.SessionHeader { return r.req.Meta.SessionHeader }
