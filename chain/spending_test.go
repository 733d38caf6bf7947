package chain

import (
	"context"
	"errors"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkgrpc "github.com/cosmos/cosmos-sdk/types/grpc"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"google.golang.org/grpc/metadata"
)

// fakeBank is what a full node knows of one account.
type fakeBank struct {
	banktypes.UnimplementedQueryServer
	at map[string]int64 // height, or "" for now: balance
}

func (b *fakeBank) Balance(ctx context.Context, _ *banktypes.QueryBalanceRequest) (*banktypes.QueryBalanceResponse, error) {
	height := ""
	if md, _ := metadata.FromIncomingContext(ctx); len(md[sdkgrpc.GRPCBlockHeightHeader]) > 0 {
		height = md[sdkgrpc.GRPCBlockHeightHeader][0]
	}
	amount, known := b.at[height]
	if !known {
		return nil, errors.New("failed to load state: version does not exist")
	}
	return &banktypes.QueryBalanceResponse{Balance: &sdk.Coin{Denom: feeDenom, Amount: sdkmath.NewInt(amount)}}, nil
}

// What an account has lost since 720 blocks ago, which are six hours of 30 s here, is
// what it spends.
func TestSpending(t *testing.T) {
	for name, tc := range map[string]struct {
		height int64
		before map[string]int64
		want   float64
	}{
		"fees":             {1000, map[string]int64{"280": 5_000}, 16_000},
		"a young chain":    {241, map[string]int64{"1": 5_000}, 48_000},
		"a younger chain":  {20, map[string]int64{"1": 5_000}, 0},
		"nothing":          {1000, map[string]int64{"280": 1_000}, 0},
		"topped up":        {1000, map[string]int64{"280": 10}, 0},
		"nobody remembers": {1000, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(t)
			node.set(func(n *fakeNode) { n.height, n.blockTime, n.bank.at = tc.height, 30*time.Second, tc.before })
			client, _ := newFleet(t, node)
			if got := client.spending(t.Context(), "pokt1x", 1_000); got != tc.want {
				t.Errorf("got %g uPOKT a day, want %g", got, tc.want)
			}
		})
	}
}
