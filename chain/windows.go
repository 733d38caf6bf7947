package chain

import sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

// Windows are the heights that decide the fate of a session. The chain accepts
// a claim at ClaimOpen <= height <= ClaimClose and a proof at ProofOpen <=
// height <= ProofClose (poktroll x/proof/keeper/session.go).
type Windows struct {
	GraceEnd   int64 // last height at which a relay of the session is served
	ClaimOpen  int64 // from here on no further relay of the session is rewarded
	ClaimClose int64
	ProofOpen  int64
	ProofClose int64
	Settlement int64 // the block whose end pays or expires the claim
}

// WindowsOf computes the windows of the session that ends at sessionEnd with
// the shared params effective at that height, through poktroll's own functions:
// sessions lie on an anchored grid that no arithmetic of ours should repeat.
func WindowsOf(params *sharedtypes.Params, sessionEnd int64) Windows {
	return Windows{
		GraceEnd:   sharedtypes.GetSessionGracePeriodEndHeight(params, sessionEnd),
		ClaimOpen:  sharedtypes.GetClaimWindowOpenHeight(params, sessionEnd),
		ClaimClose: sharedtypes.GetClaimWindowCloseHeight(params, sessionEnd),
		ProofOpen:  sharedtypes.GetProofWindowOpenHeight(params, sessionEnd),
		ProofClose: sharedtypes.GetProofWindowCloseHeight(params, sessionEnd),
		Settlement: sharedtypes.GetSettlementSessionEndHeight(params, sessionEnd),
	}
}
