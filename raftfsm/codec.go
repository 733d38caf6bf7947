package raftfsm

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// commandVersion is bumped when an old node must not try to read a command.
// Optional fields do not need it: decoders pass over fields they do not know.
const commandVersion = 1

// envelopeSize is version u8, kind u8, CRC-32C u32 big endian. bbolt checks only
// its meta pages, so the entries bring their own checksum.
const envelopeSize = 6

// codec holds the CBOR modes, which are immutable and safe for concurrent use.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

// wireCodec builds the codec at its first use.
var wireCodec = sync.OnceValues(newCodec)

func newCodec() (codec, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return codec{}, fmt.Errorf("cbor encoder: %w", err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  8,
		MaxArrayElements: 1 << 20,
		MaxMapPairs:      64,
	}.DecMode()
	if err != nil {
		return codec{}, fmt.Errorf("cbor decoder: %w", err)
	}
	return codec{enc: enc, dec: dec}, nil
}

// EncodeCommand is the log entry of cmd: deterministic, versioned, checksummed.
func EncodeCommand(cmd Command) ([]byte, error) {
	c, err := wireCodec()
	if err != nil {
		return nil, err
	}
	payload, err := c.enc.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("encode command of kind %d: %w", cmd.Kind(), err)
	}
	entry := make([]byte, envelopeSize, envelopeSize+len(payload))
	entry[0], entry[1] = commandVersion, byte(cmd.Kind())
	binary.BigEndian.PutUint32(entry[2:], checksum(entry[0], entry[1], payload))
	return append(entry, payload...), nil
}

// DecodeCommand reads a log entry. The command shares no memory with entry.
func DecodeCommand(entry []byte) (Command, error) {
	if err := checkEnvelope(entry); err != nil {
		return nil, err
	}
	version, kind, payload := entry[0], Kind(entry[1]), entry[envelopeSize:]
	if version != commandVersion {
		return nil, fmt.Errorf("%w: version %d, this build knows %d", ErrUnknownCommand, version, commandVersion)
	}
	cmd, ok := newCommand(kind)
	if !ok {
		return nil, fmt.Errorf("%w: kind %d", ErrUnknownCommand, kind)
	}
	c, err := wireCodec()
	if err != nil {
		return nil, err
	}
	if err := c.dec.Unmarshal(payload, cmd); err != nil {
		return nil, fmt.Errorf("%w: command of kind %d: %w", ErrCorrupt, kind, err)
	}
	return cmd, nil
}

// checkEnvelope holds an entry against its checksum.
func checkEnvelope(entry []byte) error {
	if len(entry) < envelopeSize {
		return fmt.Errorf("%w: command of %d bytes", ErrCorrupt, len(entry))
	}
	if got, want := checksum(entry[0], entry[1], entry[envelopeSize:]), binary.BigEndian.Uint32(entry[2:]); got != want {
		return fmt.Errorf("%w: command checksum is %08x, entry says %08x", ErrCorrupt, got, want)
	}
	return nil
}

func checksum(version, kind byte, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum([]byte{version, kind}, table), table, payload)
}
