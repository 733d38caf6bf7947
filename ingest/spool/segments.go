package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/raftminer/raftminer/ingest"
)

// A segment is a file of records: length u32, CRC-32C of the payload u32, and a
// MinedRelay in CBOR as payload. They are not synced: segments outlive the
// process, not the machine.
const (
	segmentBytes = 8 << 20
	segmentName  = "%016d.spool"
	maxRecord    = 256 << 20
)

type segments struct {
	dir     string
	next    uint64 // number of the next one
	current *segment
	out     *os.File
}

// segment is one file and the number of its relays that are still held.
type segment struct {
	path string
	size int
	live int
}

// openSegments hands the relays of every segment to found, the oldest first.
func openSegments(dir string, found func(ingest.MinedRelay, *segment)) (*segments, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	slices.Sort(paths)
	s := &segments{dir: dir}
	for _, path := range paths {
		var number uint64
		if _, err := fmt.Sscanf(filepath.Base(path), segmentName, &number); err != nil {
			continue // not ours
		}
		s.next = max(s.next, number+1)
		if err := s.load(path, found); err != nil {
			return nil, fmt.Errorf("open spool %s: %w", path, err)
		}
	}
	return s, nil
}

// load counts the relays before it hands them out: one that finds no room lets
// the segment go at once.
func (s *segments) load(path string, found func(ingest.MinedRelay, *segment)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	seg := &segment{path: path, live: 1} // 1 for this loop
	for {
		relay, err := readRecord(in)
		if err != nil {
			break // the end, or where the process died
		}
		seg.live++
		found(relay, seg)
	}
	return s.release(seg)
}

func readRecord(in io.Reader) (relay ingest.MinedRelay, err error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return relay, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > maxRecord {
		return relay, fmt.Errorf("record of %d bytes", length)
	}
	payload, err := io.ReadAll(io.LimitReader(in, int64(length)))
	if err != nil {
		return relay, err
	}
	if len(payload) != int(length) || checksum(payload) != binary.BigEndian.Uint32(head[4:]) {
		return relay, errors.New("record is damaged")
	}
	return relay, cbor.Unmarshal(payload, &relay)
}

func checksum(payload []byte) uint32 {
	return crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli))
}

// append writes a relay and counts it in.
func (s *segments) append(relay ingest.MinedRelay) (*segment, error) {
	payload, err := cbor.Marshal(relay)
	if err != nil {
		return nil, fmt.Errorf("encode relay: %w", err)
	}
	if s.current == nil || s.current.size+len(payload) > segmentBytes {
		if err := s.rotate(); err != nil {
			return nil, err
		}
	}
	record := binary.BigEndian.AppendUint32(make([]byte, 0, 8+len(payload)), uint32(len(payload)))
	record = append(binary.BigEndian.AppendUint32(record, checksum(payload)), payload...)
	if _, err := s.out.Write(record); err != nil {
		// Half a record would hide those after it.
		return nil, errors.Join(fmt.Errorf("write spool: %w", err), s.close())
	}
	s.current.size += len(record)
	s.current.live++
	return s.current, nil
}

func (s *segments) rotate() error {
	if err := s.close(); err != nil {
		return err
	}
	path := filepath.Join(s.dir, fmt.Sprintf(segmentName, s.next))
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("new spool segment: %w", err)
	}
	s.next++
	s.out, s.current = out, &segment{path: path, live: 1} // 1 for being current
	return nil
}

// release lets go of one relay of a segment, and of the file after the last one.
func (s *segments) release(seg *segment) error {
	if seg.live--; seg.live > 0 {
		return nil
	}
	return os.Remove(seg.path)
}

// close ends the current segment.
func (s *segments) close() error {
	if s.current == nil {
		return nil
	}
	err := errors.Join(s.out.Close(), s.release(s.current))
	s.current, s.out = nil, nil
	return err
}
