package relayproxy

import (
	"crypto/sha256"
	"fmt"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of RelayRequest.
const (
	fieldRequestMeta    = 1
	fieldRequestPayload = 2
)

// digestOf is RelayRequest.GetSignableBytesHash of poktroll: the hash of the
// request without its signature. The payload is hashed where it lies; poktroll
// copies the whole request first.
func digestOf(req *servicetypes.RelayRequest) (digest [sha256.Size]byte, err error) {
	meta := req.Meta
	meta.Signature = nil
	size := meta.Size()
	head := make([]byte, 0, size+4*protowire.SizeVarint(uint64(size+len(req.Payload))))
	head = protowire.AppendTag(head, fieldRequestMeta, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	at := len(head)
	head = head[:at+size]
	if _, err := meta.MarshalToSizedBuffer(head[at:]); err != nil {
		return digest, fmt.Errorf("encode request metadata: %w", err)
	}
	hash := sha256.New()
	if len(req.Payload) > 0 {
		head = protowire.AppendTag(head, fieldRequestPayload, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(len(req.Payload)))
	}
	hash.Write(head)
	hash.Write(req.Payload)
	hash.Sum(digest[:0])
	return digest, nil
}
