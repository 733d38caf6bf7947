package chaintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/raftminer/raftminer/chain"
)

// Client is what the suite asks of a chain; *chain.Client is one.
type Client interface {
	Windows(ctx context.Context, sessionEnd int64) (chain.Windows, error)
	BlockAt(ctx context.Context, height int64) (chain.Block, error)
	SignTx(ctx context.Context, key *chain.SupplierKey, draft chain.TxDraft) ([]byte, error)
	Simulate(ctx context.Context, tx []byte) (gas uint64, err error)
	Broadcast(ctx context.Context, tx []byte) error
	ClaimsEndingAt(ctx context.Context, sessionEnd, height int64) (map[chain.SessionKey]prooftypes.Claim, error)
	TxResults(ctx context.Context, height int64) (map[[sha256.Size]byte]chain.TxResult, error)
	Settlements(ctx context.Context, height int64) ([]chain.Settlement, error)
}

// Ground is a chain that the suite runs on. It requires a proof of every claim.
type Ground struct {
	Client  Client
	Session chain.SessionRef                            // has not ended; of both suppliers
	Proves  *chain.SupplierKey                          // claims and proves
	Idles   *chain.SupplierKey                          // claims and does not
	Root    []byte                                      // of the tree of both
	Proof   func(t *testing.T, seed chain.Block) []byte // for that root
	Head    func() int64
	Wait    func(ctx context.Context, height int64) error
}

// Conform holds a chain to what the rest of the program takes for granted, along one
// session. Whatever a fake is made to say, it has to say here as the real chain does.
func Conform(t *testing.T, g Ground) {
	s := &suite{Ground: g, t: t, ctx: t.Context()}
	var err error
	if s.windows, err = g.Client.Windows(s.ctx, g.Session.EndHeight); err != nil {
		t.Fatal(err)
	}
	w := s.windows
	heights := []int64{g.Session.StartHeight, g.Session.EndHeight, w.GraceEnd, w.ClaimOpen, w.ClaimClose, w.ProofOpen, w.ProofClose}
	if !slices.IsSorted(heights) || w.Settlement < w.ProofClose {
		t.Fatalf("windows are in no order: %+v", w)
	}
	s.early()
	s.wait(w.ClaimOpen - 1)
	s.claims()
	s.once()
	s.wait(max(w.ClaimClose+1, w.ProofOpen-1))
	s.proves()
	s.wait(w.Settlement)
	s.settles()
}

type suite struct {
	Ground
	t       *testing.T
	ctx     context.Context
	windows chain.Windows
	sent    time.Duration // makes the next timeout another
}

const (
	gas       = 10_000_000
	timeoutIn = 2 * time.Minute
	// missing is how many blocks show that a transaction does not run.
	missing = 2
)

func (s *suite) wait(height int64) {
	s.t.Helper()
	if err := s.Wait(s.ctx, height); err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) claim(key *chain.SupplierKey) sdk.Msg {
	return prooftypes.NewMsgCreateClaim(key.Address(), s.Session.Header(), s.Root)
}

func (s *suite) proof(key *chain.SupplierKey) sdk.Msg {
	s.t.Helper()
	var proof []byte
	if seed := s.windows.ProofOpen - 1; s.Head() >= seed {
		block, err := s.Client.BlockAt(s.ctx, seed)
		if err != nil {
			s.t.Fatal(err)
		}
		proof = s.Proof(s.t, block)
	} else {
		proof = []byte("too early to be one")
	}
	return prooftypes.NewMsgSubmitProof(key.Address(), s.Session.Header(), proof)
}

// sign makes a transaction that runs within a while, unless it is changed.
func (s *suite) sign(key *chain.SupplierKey, change func(*chain.TxDraft), msgs ...sdk.Msg) []byte {
	s.t.Helper()
	block, err := s.Client.BlockAt(s.ctx, s.Head())
	if err != nil {
		s.t.Fatal(err)
	}
	s.sent += time.Microsecond
	draft := chain.TxDraft{
		Msgs: msgs, Timeout: block.Time.Add(timeoutIn + s.sent), Gas: gas, Fee: sdk.NewCoins(sdk.NewInt64Coin("upokt", 10_000)),
	}
	if change != nil {
		change(&draft)
	}
	tx, err := s.Client.SignTx(s.ctx, key, draft)
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

// send broadcasts and waits for the block. What is refused, or in none of the next
// blocks, did not run.
func (s *suite) send(tx []byte) (result chain.TxResult, ran bool) {
	s.t.Helper()
	head := s.Head()
	if err := s.Client.Broadcast(s.ctx, tx); errors.Is(err, chain.ErrTxRefused) {
		return result, false
	} else if err != nil {
		s.t.Fatal(err)
	}
	for height := head + 1; height <= head+1+missing; height++ {
		s.wait(height)
		results, err := s.Client.TxResults(s.ctx, height)
		if err != nil {
			s.t.Fatal(err)
		}
		if result, ran = results[sha256.Sum256(tx)]; ran {
			return result, true
		}
	}
	return result, false
}

// refuses: a block runs it, and the proof module is against it.
func (s *suite) refuses(what string, tx []byte) {
	s.t.Helper()
	if _, err := s.Client.Simulate(s.ctx, tx); err == nil {
		s.t.Errorf("%s: the simulation passes", what)
	}
	result, ran := s.send(tx)
	if !ran || result.Codespace != refused || result.Code != codeRefused {
		s.t.Errorf("%s: ran %t with %s %d, want %s %d (%s)", what, ran, result.Codespace, result.Code, refused, codeRefused, result.Log)
	}
}

// takes: a block runs it with success, at the height that is returned.
func (s *suite) takes(what string, tx []byte) int64 {
	s.t.Helper()
	result, ran := s.send(tx)
	if !ran || result.Code != 0 {
		s.t.Fatalf("%s: ran %t with %s %d (%s)", what, ran, result.Codespace, result.Code, result.Log)
	}
	return result.Height
}

// held is the claim of a key as a height knows it.
func (s *suite) held(key *chain.SupplierKey, height int64) (prooftypes.Claim, bool) {
	s.t.Helper()
	s.wait(height + 1) // nodes answer for a height a moment after they show it
	claims, err := s.Client.ClaimsEndingAt(s.ctx, s.Session.EndHeight, height)
	if err != nil {
		s.t.Fatal(err)
	}
	claim, ok := claims[chain.SessionKey{Supplier: key.Address(), SessionID: s.Session.SessionID}]
	return claim, ok
}

func (s *suite) early() {
	s.refuses("a claim before its window", s.sign(s.Proves, nil, s.claim(s.Proves)))
	past := s.sign(s.Proves, func(d *chain.TxDraft) { d.Timeout = d.Timeout.Add(-2 * timeoutIn) }, s.claim(s.Proves))
	if _, ran := s.send(past); ran {
		s.t.Error("a transaction ran after its timeout")
	}
}

func (s *suite) claims() {
	s.refuses("a proof without a claim", s.sign(s.Proves, nil, s.proof(s.Proves)))
	both := s.sign(s.Proves, nil, s.claim(s.Proves), s.proof(s.Proves))
	s.refuses("a claim beside a proof that is too early", both)
	at := s.takes("a claim", s.sign(s.Proves, nil, s.claim(s.Proves)))
	if _, ok := s.held(s.Proves, at-1); ok {
		s.t.Error("there is a claim before it was sent: a transaction is not atomic")
	}
	claim, ok := s.held(s.Proves, at)
	if !ok || !bytes.Equal(claim.RootHash, s.Root) || claim.ProofValidationStatus != prooftypes.ClaimProofStatus_PENDING_VALIDATION {
		s.t.Errorf("the claim is %+v", claim)
	}
	s.takes("a claim of another supplier", s.sign(s.Idles, nil, s.claim(s.Idles)))
	s.refuses("a proof before its window", s.sign(s.Proves, nil, s.proof(s.Proves)))
}

// once: equal bytes run once, and so does what has the sender and timeout of another.
func (s *suite) once() {
	var timeout time.Time
	keep := func(d *chain.TxDraft) { timeout = d.Timeout }
	tx := s.sign(s.Proves, keep, s.claim(s.Proves))
	s.takes("a claim again", tx)
	if _, ran := s.send(tx); ran {
		s.t.Error("equal bytes ran twice")
	}
	same := func(d *chain.TxDraft) { d.Timeout, d.Gas = timeout, d.Gas+1 }
	if _, ran := s.send(s.sign(s.Proves, same, s.claim(s.Proves))); ran {
		s.t.Error("two unordered transactions of one sender and timeout ran")
	}
}

func (s *suite) proves() {
	s.refuses("a claim after its window", s.sign(s.Proves, nil, s.claim(s.Proves)))
	at := s.takes("a proof", s.sign(s.Proves, nil, s.proof(s.Proves)))
	claim, ok := s.held(s.Proves, at)
	if !ok || claim.ProofValidationStatus != prooftypes.ClaimProofStatus_VALIDATED {
		s.t.Errorf("the claim that was proved is %+v", claim)
	}
}

func (s *suite) settles() {
	settlements, err := s.Client.Settlements(s.ctx, s.windows.Settlement)
	if err != nil {
		s.t.Fatal(err)
	}
	for key, want := range map[*chain.SupplierKey]chain.Verdict{s.Proves: chain.VerdictSettled, s.Idles: chain.VerdictExpired} {
		i := slices.IndexFunc(settlements, func(e chain.Settlement) bool {
			return e.Supplier == key.Address() && e.SessionEnd == s.Session.EndHeight && e.Application == s.Session.Application && e.Service == s.Session.Service
		})
		if i < 0 {
			s.t.Errorf("the claim of %s was not settled at %d: %+v", key.Address(), s.windows.Settlement, settlements)
			continue
		}
		if e := settlements[i]; e.Verdict != want || (e.Upokt > 0) != (want == chain.VerdictSettled) {
			s.t.Errorf("%s: %+v, want verdict %d", key.Address(), e, want)
		}
		if _, ok := s.held(key, s.windows.Settlement); ok {
			s.t.Errorf("the claim of %s is still there after its settlement", key.Address())
		}
	}
}
