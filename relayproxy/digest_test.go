package relayproxy

import (
	"bytes"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
)

func TestDigestIsTheChains(t *testing.T) {
	for _, header := range []*sessiontypes.SessionHeader{nil, {}, {
		ApplicationAddress: "pokt1app", ServiceId: "svc", SessionId: "session", SessionStartBlockHeight: 41, SessionEndBlockHeight: 1 << 40,
	}} {
		for _, size := range []int{0, 1, 127, 128, 16_383, 16_384, 3 << 20} {
			for _, supplier := range []string{"", "pokt1supplier"} {
				req := &servicetypes.RelayRequest{
					Meta: servicetypes.RelayRequestMetadata{
						SessionHeader: header, Signature: []byte("signature"), SupplierOperatorAddress: supplier,
					},
					Payload: bytes.Repeat([]byte{7}, size),
				}
				want, err := req.GetSignableBytesHash()
				if err != nil {
					t.Fatal(err)
				}
				got, err := digestOf(req)
				if err != nil {
					t.Fatal(err)
				}
				if got != want {
					t.Errorf("header %v, %d bytes: digest %x, want %x", header, size, got, want)
				}
				if string(req.Meta.Signature) != "signature" {
					t.Error("the signature is gone")
				}
			}
		}
	}
}

func TestABodyReadInPlaceIsEncodedAsPoktrollDoes(t *testing.T) {
	headers := map[string]*sdktypes.Header{
		"B": {Key: "B", Values: []string{"1", "2"}}, "A": {Key: "A", Values: []string{"x"}},
	}
	for _, size := range []int{1, 127, 128, 16_384, 500_000} {
		body := bytes.Repeat([]byte{9}, size)
		want, refusal := encodeResponse(200, headers, body)
		if refusal != nil {
			t.Fatal(refusal)
		}
		head, refusal := encodeResponse(200, headers, nil)
		if refusal != nil {
			t.Fatal(refusal)
		}
		got, err := readBody(head, bytes.NewReader(body), size)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: encoded differently (%v)", size, err)
		}
		if _, err := readBody(head, bytes.NewReader(body[1:]), size); err == nil {
			t.Errorf("%d bytes: a body that is cut off is taken", size)
		}
	}
}
