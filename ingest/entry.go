package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/raftminer/raftminer/chain"
)

// decodeEntry reads a stream entry; the relay in it is still opaque.
func decodeEntry(values map[string]any) (MinedRelay, error) {
	text := func(field string) string { s, _ := values[field].(string); return s }
	weight, err := strconv.ParseUint(text("w"), 10, 64)
	if err != nil {
		return MinedRelay{}, fmt.Errorf("weight: %w", err)
	}
	return MinedRelay{Supplier: text("u"), SessionID: text("s"), ComputeUnits: weight, Relay: []byte(text("r"))}, nil
}

// refOf decodes the relay and returns its session. Request and response must
// name the same one: the tree may hold relays of one header only, or the proof
// fails on chain (poktroll x/proof/keeper/proof_validation.go).
func refOf(mined MinedRelay) (chain.SessionRef, error) {
	var relay servicetypes.Relay
	if err := relay.Unmarshal(mined.Relay); err != nil {
		return chain.SessionRef{}, fmt.Errorf("decode relay: %w", err)
	}
	if relay.Req == nil || relay.Req.Meta.SessionHeader == nil || relay.Res == nil || relay.Res.Meta.SessionHeader == nil {
		return chain.SessionRef{}, errors.New("relay has no session header")
	}
	ref := chain.NewSessionRef(relay.Req.Meta.SupplierOperatorAddress, relay.Req.Meta.SessionHeader)
	if answered := chain.NewSessionRef(ref.Supplier, relay.Res.Meta.SessionHeader); answered != ref {
		return chain.SessionRef{}, fmt.Errorf("request of %v answered for %v", ref, answered)
	}
	if ref.Key() != mined.Key() {
		return chain.SessionRef{}, fmt.Errorf("relay of %v published for %v", ref.Key(), mined.Key())
	}
	return ref, nil
}

// headerBytes is how a session header is marshalled inside a relay.
func headerBytes(ref chain.SessionRef) []byte {
	bz, err := ref.Header().Marshal()
	if err != nil {
		panic(fmt.Sprintf("ingest: marshal session header: %v", err)) // no field can fail
	}
	return bz
}

// plainlyFits reports, without decoding the whole relay, that request and
// response carry exactly header, and the request the supplier. False means only
// that refOf has to look: the scan accepts nothing but each field once.
func plainlyFits(relay, header []byte, supplier string) bool {
	var top, req, reqMeta, res, resMeta [5][]byte
	return scan(relay, top[:3]) && scan(top[1], req[:3]) && scan(req[1], reqMeta[:4]) &&
		bytes.Equal(reqMeta[1], header) && string(reqMeta[3]) == supplier &&
		scan(top[2], res[:]) && res[3] == nil && scan(res[1], resMeta[:3]) &&
		bytes.Equal(resMeta[1], header)
}

// scan splits a message whose fields are all length delimited into fields, by
// number. It fails on anything else: unknown, repeated or malformed fields.
func scan(message []byte, fields [][]byte) bool {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 || kind != protowire.BytesType || int(number) >= len(fields) || fields[number] != nil {
			return false
		}
		value, m := protowire.ConsumeBytes(message[n:])
		if m < 0 {
			return false
		}
		fields[number] = value[:len(value):len(value)]
		message = message[n+m:]
	}
	return true
}
