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

// entryOf reads a stream entry: one field, named by the compute units, with the relay.
func entryOf(values map[string]any) (weight uint64, relay string, err error) {
	if len(values) != 1 {
		return 0, "", fmt.Errorf("%d fields", len(values))
	}
	for name, value := range values {
		relay, _ = value.(string)
		if weight, err = strconv.ParseUint(name, 10, 64); err != nil {
			return 0, "", fmt.Errorf("compute units: %w", err)
		}
	}
	return weight, relay, nil
}

// refOf decodes a relay and returns its session. Request and response must name
// the same one: the tree may hold relays of one header only, or the proof fails
// on chain (poktroll x/proof/keeper/proof_validation.go).
func refOf(bz []byte) (chain.SessionRef, error) {
	var relay servicetypes.Relay
	if err := relay.Unmarshal(bz); err != nil {
		return chain.SessionRef{}, fmt.Errorf("decode relay: %w", err)
	}
	if relay.Req == nil || relay.Req.Meta.SessionHeader == nil || relay.Res == nil || relay.Res.Meta.SessionHeader == nil {
		return chain.SessionRef{}, errors.New("relay has no session header")
	}
	ref := chain.NewSessionRef(relay.Req.Meta.SupplierOperatorAddress, relay.Req.Meta.SessionHeader)
	if answered := chain.NewSessionRef(ref.Supplier, relay.Res.Meta.SessionHeader); answered != ref {
		return chain.SessionRef{}, fmt.Errorf("request of %v answered for %v", ref, answered)
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

// plainly finds, without decoding the whole relay, the supplier and the session
// header that request and response both carry. Nothing means only that refOf has to
// look: the scan accepts nothing but each field once.
func plainly(relay []byte) (supplier, header []byte) {
	var top, req, reqMeta, res, resMeta [5][]byte
	if scan(relay, top[:3]) && scan(top[1], req[:3]) && scan(req[1], reqMeta[:4]) &&
		scan(top[2], res[:]) && res[3] == nil && scan(res[1], resMeta[:3]) && bytes.Equal(reqMeta[1], resMeta[1]) {
		return reqMeta[3], reqMeta[1]
	}
	return nil, nil
}

// sessionID is the one in a marshalled header.
func sessionID(header []byte) []byte {
	for len(header) > 0 {
		number, kind, n := protowire.ConsumeTag(header)
		if n < 0 {
			return nil
		}
		m := protowire.ConsumeFieldValue(number, kind, header[n:])
		if m < 0 {
			return nil
		}
		if number == 3 && kind == protowire.BytesType {
			id, _ := protowire.ConsumeBytes(header[n : n+m])
			return id
		}
		header = header[n+m:]
	}
	return nil
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
