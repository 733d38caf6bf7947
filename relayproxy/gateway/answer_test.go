package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

const supplier = "pokt1supplier"

func header() *sessiontypes.SessionHeader {
	return &sessiontypes.SessionHeader{
		ApplicationAddress: "pokt1app", ServiceId: "eth", SessionId: "s", SessionStartBlockHeight: 1, SessionEndBlockHeight: 10,
	}
}

func signed(t *testing.T, key *secp256k1.PrivKey, res *servicetypes.RelayResponse) *servicetypes.RelayResponse {
	t.Helper()
	hash, err := res.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	if res.Meta.SupplierOperatorSignature, err = key.Sign(hash[:]); err != nil {
		t.Fatal(err)
	}
	return res
}

func response(payload string) *servicetypes.RelayResponse {
	hash := sha256.Sum256([]byte(payload))
	return &servicetypes.RelayResponse{
		Meta: servicetypes.RelayResponseMetadata{SessionHeader: header()}, Payload: []byte(payload), PayloadHash: hash[:],
	}
}

func TestCheck(t *testing.T) {
	key, other := secp256k1.GenPrivKey(), secp256k1.GenPrivKey()
	client := &Client{keys: map[string]cryptotypes.PubKey{supplier: key.PubKey()}}
	req := &servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{SessionHeader: header(), SupplierOperatorAddress: supplier}, Payload: []byte("q"),
	}
	everything := make([]byte, sha256.Size)
	for i := range everything {
		everything[i] = 0xff
	}
	for _, tc := range []struct {
		name   string
		res    func() *servicetypes.RelayResponse
		target []byte
		mined  bool
		want   error
	}{
		{"good", func() *servicetypes.RelayResponse { return signed(t, key, response("a")) }, everything, true, nil},
		{"above the target", func() *servicetypes.RelayResponse { return signed(t, key, response("a")) }, make([]byte, sha256.Size), false, nil},
		{"signed by another", func() *servicetypes.RelayResponse { return signed(t, other, response("a")) }, everything, false, ErrAnswer},
		{"unsigned", func() *servicetypes.RelayResponse { return response("a") }, everything, false, ErrAnswer},
		{"payload changed after signing", func() *servicetypes.RelayResponse {
			res := signed(t, key, response("a"))
			res.Payload = []byte("b")
			return res
		}, everything, false, ErrAnswer},
		{"empty payload", func() *servicetypes.RelayResponse { return signed(t, key, response("")) }, everything, false, ErrAnswer},
		{"another session", func() *servicetypes.RelayResponse {
			res := response("a")
			res.Meta.SessionHeader.SessionId = "other"
			return signed(t, key, res)
		}, everything, false, ErrAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw, err := tc.res().Marshal()
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Check(context.Background(), &Session{Header: header(), Target: tc.target}, req, raw)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error = %v, want %v", err, tc.want)
			}
			if err == nil && answer.Mined != tc.mined {
				t.Errorf("mined = %v, want %v", answer.Mined, tc.mined)
			}
		})
	}
}

func TestCheckReadsRefusals(t *testing.T) {
	res := &servicetypes.RelayResponse{Payload: []byte("no"), RelayMinerError: &servicetypes.RelayMinerError{
		Codespace: "relayer_proxy", Code: 6, Description: "unknown session", Message: "ended",
	}}
	raw, err := res.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	_, err = new(Client).Check(context.Background(), &Session{}, &servicetypes.RelayRequest{}, raw)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Code != 6 {
		t.Errorf("error = %v, want a refusal with code 6", err)
	}
}

func TestLeafLeavesThePayloadOut(t *testing.T) {
	req := &servicetypes.RelayRequest{Payload: []byte("q")}
	with, without := response("a"), response("a")
	without.Payload = nil
	a, err := LeafKey(req, with)
	if err != nil {
		t.Fatal(err)
	}
	b, err := LeafKey(req, without)
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Error("the response payload changes the leaf")
	}
	if string(with.Payload) != "a" {
		t.Error("LeafKey took the payload from its argument")
	}
}
