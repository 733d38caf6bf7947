package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

const (
	payloadBytes   = 200
	ringSignature  = 330 // of a ring of two
	publishers     = 512
	computeUnits   = 100
	nonceSentinel  = "nonce-goes-here!"
	secp256k1Bytes = 64
)

// session makes relays that differ in a nonce only.
type session struct {
	ref      chain.SessionRef
	template []byte
	nonceAt  int
}

func newSession(n int) (*session, error) {
	ref := chain.SessionRef{
		Supplier:    fmt.Sprintf("pokt1supplier%030d", n%10),
		SessionID:   fmt.Sprintf("%064x", n),
		Service:     "anvil",
		Application: fmt.Sprintf("pokt1application%027d", n),
		StartHeight: 101, EndHeight: 110,
	}
	payload := append([]byte(nonceSentinel), bytes.Repeat([]byte{'p'}, payloadBytes-len(nonceSentinel))...)
	relay := servicetypes.Relay{
		Req: &servicetypes.RelayRequest{
			Meta: servicetypes.RelayRequestMetadata{
				SessionHeader: ref.Header(), SupplierOperatorAddress: ref.Supplier,
				Signature: bytes.Repeat([]byte{7}, ringSignature),
			},
			Payload: payload,
		},
		Res: &servicetypes.RelayResponse{
			Meta: servicetypes.RelayResponseMetadata{
				SessionHeader: ref.Header(), SupplierOperatorSignature: bytes.Repeat([]byte{8}, secp256k1Bytes),
			},
			PayloadHash: bytes.Repeat([]byte{9}, 32),
		},
	}
	bz, err := relay.Marshal()
	if err != nil {
		return nil, err
	}
	return &session{ref: ref, template: bz, nonceAt: bytes.Index(bz, []byte(nonceSentinel))}, nil
}

func (s *session) relay(nonce uint64) ingest.MinedRelay {
	bz := bytes.Clone(s.template)
	binary.BigEndian.PutUint64(bz[s.nonceAt:], nonce)
	return ingest.MinedRelay{Supplier: s.ref.Supplier, SessionID: s.ref.SessionID, ComputeUnits: computeUnits, Relay: bz}
}

// publish spreads n new relays over all sessions.
func (b *bench) publish(ctx context.Context, n int) error {
	var next atomic.Int64
	first := b.nonce
	b.nonce += uint64(n)
	group, ctx := errgroup.WithContext(ctx)
	for range publishers {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				s := b.sessions[i%len(b.sessions)]
				if err := b.publisher.Publish(ctx, s.relay(first+uint64(i))); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}
