package raftfsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// DecodeState reads a snapshot into a new state and checks all of it: magic,
// order, counts, checksum, and that nothing follows.
func DecodeState(r io.Reader) (*State, error) {
	c, err := wireCodec()
	if err != nil {
		return nil, err
	}
	dec := &snapshotDecoder{codec: c, in: bufio.NewReaderSize(r, 256<<10), digest: sha256.New()}
	state, err := dec.state()
	if err != nil {
		return nil, fmt.Errorf("%w: snapshot: %w", ErrCorrupt, err)
	}
	return state, nil
}

type snapshotDecoder struct {
	codec  codec
	in     *bufio.Reader
	digest hash.Hash
	frames bytes.Buffer
}

func (d *snapshotDecoder) state() (*State, error) {
	magic, err := d.read(len(snapshotMagic))
	if err != nil {
		return nil, err
	}
	if name := len(snapshotMagic) - 1; string(magic[:name]) != snapshotMagic[:name] {
		return nil, fmt.Errorf("it begins with %q, a snapshot with %q", magic, snapshotMagic)
	} else if magic[name] != snapshotMagic[name] {
		return nil, fmt.Errorf("it is of format %d, this build reads %d", magic[name], snapshotMagic[name])
	}
	var h snapshotHeader
	if err := d.frame(&h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	s := NewState()
	s.clusterID, s.partitions, s.generation = h.ClusterID, h.Partitions, h.Generation
	s.epoch, s.owner = h.Epoch, h.Owner
	s.roster = roster{admissions: h.Admissions, enrolled: h.Enrolled, retired: h.Retired}
	s.holdings = holdings{list: h.Holdings, moves: h.Moves}
	if err := errors.Join(s.roster.check(), s.holdings.check(s.partitions, s.epoch)); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if err := d.sessions(s, h.Sessions); err != nil {
		return nil, err
	}
	if err := d.intents(s, h.Intents); err != nil {
		return nil, err
	}
	return s, d.trailer()
}

func (d *snapshotDecoder) sessions(s *State, count int) error {
	var last *Session
	for n := range count {
		r := new(Session)
		if err := d.frame(r); err != nil {
			return fmt.Errorf("session %d of %d: %w", n+1, count, err)
		}
		if last != nil && !sessionLess(last, r) {
			return fmt.Errorf("session %d of %d is out of order", n+1, count)
		}
		if !r.Stage.valid() {
			return fmt.Errorf("session %d of %d has %s", n+1, count, r.Stage)
		}
		s.sessions.Load(r)
		last = r
	}
	return nil
}

func (d *snapshotDecoder) intents(s *State, count int) error {
	var last *Intent
	for n := range count {
		i := new(Intent)
		if err := d.frame(i); err != nil {
			return fmt.Errorf("intent %d of %d: %w", n+1, count, err)
		}
		if last != nil && !intentLess(last, i) {
			return fmt.Errorf("intent %d of %d is out of order", n+1, count)
		}
		s.intents.Load(i)
		s.index.add(i)
		last = i
	}
	return nil
}

func (d *snapshotDecoder) trailer() error {
	want := d.digest.Sum(nil)
	got := make([]byte, sha256.Size)
	if _, err := io.ReadFull(d.in, got); err != nil {
		return fmt.Errorf("trailer: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("digest is %x, trailer says %x", want, got)
	}
	if _, err := d.in.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("bytes follow the trailer")
	}
	return nil
}

// frame reads one record. The buffer is reused: CBOR copies what it decodes.
func (d *snapshotDecoder) frame(into any) error {
	header, err := d.read(frameHeaderSize)
	if err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(header)
	if size > maxFrame {
		return fmt.Errorf("record of %d bytes", size)
	}
	payload, err := d.read(int(size))
	if err != nil {
		return err
	}
	return d.codec.dec.Unmarshal(payload, into)
}

// read takes the next n bytes into the shared buffer, growing it only as far as
// bytes arrive: a length in a corrupt file must not allocate gigabytes.
func (d *snapshotDecoder) read(n int) ([]byte, error) {
	d.frames.Reset()
	if _, err := io.CopyN(&d.frames, d.in, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	d.digest.Write(d.frames.Bytes())
	return d.frames.Bytes(), nil
}
