package raftfsm

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// A snapshot is: the magic; frames, each a length (u32 big endian) and CBOR: one
// header, then sessions, then intents, both in key order; the SHA-256 of all that.
// Equal states have equal bytes, on every node and in every run.
const (
	snapshotMagic   = "raftfsm\x01"
	maxFrame        = 64 << 20
	frameHeaderSize = 4
)

// snapshotHeader says what is in a snapshot, and is enough to tell whose it is.
type snapshotHeader struct {
	ClusterID  string `cbor:"1,keyasint"`
	Partitions int    `cbor:"2,keyasint"`
	Generation uint64 `cbor:"3,keyasint"`
	Epoch      Epoch  `cbor:"4,keyasint"`
	Owner      string `cbor:"5,keyasint"`
	Sessions   int    `cbor:"6,keyasint"`
	Intents    int    `cbor:"7,keyasint"`

	Admissions uint64       `cbor:"8,keyasint,omitempty"`
	Enrolled   []Enrolment  `cbor:"9,keyasint,omitempty"`
	Retired    []Retirement `cbor:"10,keyasint,omitempty"`
	Holdings   []Holding    `cbor:"11,keyasint,omitempty"`
	Moves      uint64       `cbor:"12,keyasint,omitempty"`
}

// Encode streams the state in its one canonical form.
func (s *State) Encode(w io.Writer) error {
	c, err := wireCodec()
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	digest := sha256.New()
	enc := snapshotEncoder{codec: c, out: io.MultiWriter(buffered, digest), digest: digest}
	enc.raw([]byte(snapshotMagic))
	enc.frame(snapshotHeader{
		ClusterID: s.clusterID, Partitions: s.partitions, Generation: s.generation,
		Epoch: s.epoch, Owner: s.owner, Sessions: s.sessions.Len(), Intents: s.intents.Len(),
		Admissions: s.roster.admissions, Enrolled: s.roster.enrolled, Retired: s.roster.retired,
		Holdings: s.holdings.list, Moves: s.holdings.moves,
	})
	s.sessions.Scan(func(r *Session) bool {
		enc.frame(r)
		return enc.err == nil
	})
	s.intents.Scan(func(i *Intent) bool {
		enc.frame(i)
		return enc.err == nil
	})
	enc.raw(enc.digest.Sum(nil))
	if enc.err != nil {
		return fmt.Errorf("encode snapshot: %w", enc.err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	return nil
}

// Hash is the SHA-256 of the canonical form: equal on replicas that agree.
func (s *State) Hash() ([sha256.Size]byte, error) {
	digest := sha256.New()
	if err := s.Encode(digest); err != nil {
		return [sha256.Size]byte{}, err
	}
	return [sha256.Size]byte(digest.Sum(nil)), nil
}

// snapshotEncoder keeps the first error, so that the walk above stays readable.
type snapshotEncoder struct {
	codec  codec
	out    io.Writer
	digest hash.Hash
	err    error
}

func (e *snapshotEncoder) raw(b []byte) {
	if e.err == nil {
		_, e.err = e.out.Write(b)
	}
}

func (e *snapshotEncoder) frame(record any) {
	if e.err != nil {
		return
	}
	payload, err := e.codec.enc.Marshal(record)
	if err != nil {
		e.err = err
		return
	}
	if len(payload) > maxFrame {
		e.err = fmt.Errorf("record of %d bytes", len(payload))
		return
	}
	e.raw(binary.BigEndian.AppendUint32(make([]byte, 0, frameHeaderSize), uint32(len(payload))))
	e.raw(payload)
}
