package chain

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// askedChain is a chain of any size behind one connection. It takes its time to answer
// and counts what it is asked.
type askedChain struct {
	takes     time.Duration
	suppliers int // of every session, with all that they have staked for
	gateway   string

	mu    sync.Mutex
	away  bool
	asked map[string]int // by question
}

func newAskedChain() *askedChain {
	return &askedChain{suppliers: 15, gateway: "gateway", asked: make(map[string]int)}
}

// client is one of this chain, with a feed that the test moves.
func (a *askedChain) client(t testing.TB, opts Options) (*Client, *Feed) {
	t.Helper()
	c, err := Dial("test", []Node{{RPC: "http://127.0.0.1:1", GRPC: "http://127.0.0.1:1"}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.auth, c.application, c.service = authtypes.NewQueryClient(a), apptypes.NewQueryClient(a), servicetypes.NewQueryClient(a)
	c.session, c.shared, c.tokenomics = sessiontypes.NewQueryClient(a), sharedtypes.NewQueryClient(a), tokenomicstypes.NewQueryClient(a)
	return c, NewFeed(c, zap.NewNop())
}

// step moves the head of a client that nobody feeds.
func step(c *Client, f *Feed, height int64) {
	c.nodes.mu.Lock()
	c.nodes.best.Height = height
	c.nodes.mu.Unlock()
	f.mu.Lock()
	f.advance(Block{Height: height, Time: time.Unix(height, 0)})
	f.mu.Unlock()
}

// questions are all that were asked, and how often.
func (a *askedChain) questions() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.asked
	a.asked = make(map[string]int)
	return out
}

// Invoke implements grpc.ClientConnInterface.
func (a *askedChain) Invoke(_ context.Context, method string, question, answer any, _ ...grpc.CallOption) error {
	a.mu.Lock()
	a.asked[fmt.Sprint(method, " ", question)]++
	away := a.away
	a.mu.Unlock()
	if a.takes > 0 {
		time.Sleep(a.takes)
	}
	if away {
		return status.Error(codes.Unavailable, "away")
	}
	return a.answer(question, answer)
}

// NewStream implements grpc.ClientConnInterface.
func (a *askedChain) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no streams")
}

func (a *askedChain) answer(question, answer any) error {
	switch q := question.(type) {
	case *sharedtypes.QueryParamsAtHeightRequest:
		answer.(*sharedtypes.QueryParamsAtHeightResponse).Params = sharedtypes.DefaultParams()
	case *sessiontypes.QueryGetSessionRequest:
		answer.(*sessiontypes.QueryGetSessionResponse).Session = a.sessionOf(q)
	case *apptypes.QueryGetApplicationRequest:
		stake := sdk.NewInt64Coin("upokt", 1_000_000_000)
		answer.(*apptypes.QueryGetApplicationResponse).Application = apptypes.Application{
			Address: q.Address, Stake: &stake, DelegateeGatewayAddresses: []string{a.gateway},
		}
	case *servicetypes.QueryGetRelayMiningDifficultyAtHeightRequest:
		answer.(*servicetypes.QueryGetRelayMiningDifficultyAtHeightResponse).RelayMiningDifficulty.TargetHash = make([]byte, 32)
	case *servicetypes.QueryComputeUnitsPerRelayAtHeightRequest:
		answer.(*servicetypes.QueryComputeUnitsPerRelayAtHeightResponse).ComputeUnitsPerRelay = 1
	case *tokenomicstypes.QueryParamsRequest:
		answer.(*tokenomicstypes.QueryParamsResponse).Params = tokenomicstypes.DefaultParams()
	case *authtypes.QueryAccountRequest:
		return a.account(q, answer.(*authtypes.QueryAccountResponse))
	default:
		return status.Errorf(codes.Unimplemented, "%T", question)
	}
	return nil
}

func (a *askedChain) account(q *authtypes.QueryAccountRequest, answer *authtypes.QueryAccountResponse) error {
	key, err := codectypes.NewAnyWithValue(secp256k1.GenPrivKeyFromSecret([]byte(q.Address)).PubKey())
	if err != nil {
		return err
	}
	answer.Account, err = codectypes.NewAnyWithValue(&authtypes.BaseAccount{Address: q.Address, PubKey: key})
	return err
}

// sessionOf is as large as sessions are.
func (a *askedChain) sessionOf(q *sessiontypes.QueryGetSessionRequest) *sessiontypes.Session {
	params := sharedtypes.DefaultParams()
	s := &sessiontypes.Session{
		SessionId: fmt.Sprint("session of ", q.ApplicationAddress, " at ", q.BlockHeight), NumBlocksPerSession: 10,
		Header: &sessiontypes.SessionHeader{
			ApplicationAddress: q.ApplicationAddress, ServiceId: q.ServiceId,
			SessionStartBlockHeight: sharedtypes.GetSessionStartHeight(&params, q.BlockHeight),
			SessionEndBlockHeight:   sharedtypes.GetSessionEndHeight(&params, q.BlockHeight),
		},
	}
	s.Header.SessionId = s.SessionId
	for i := range a.suppliers {
		supplier := &sharedtypes.Supplier{OperatorAddress: fmt.Sprintf("pokt1supplier%030d", i)}
		for range 2 {
			supplier.Services = append(supplier.Services, &sharedtypes.SupplierServiceConfig{
				ServiceId: q.ServiceId, Endpoints: []*sharedtypes.SupplierEndpoint{{Url: "https://relayer.supplier.example:443/" + q.ServiceId}},
			})
		}
		s.Suppliers = append(s.Suppliers, supplier)
	}
	return s
}
