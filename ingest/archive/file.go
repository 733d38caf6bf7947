package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/fxamacker/cbor/v2"

	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// A file is
//
//	magic 8 | length u32, header | Count times: length u32, relay | SHA-256 of all before
//
// with numbers big endian and the header a Tree in CBOR.
const (
	magic     = "RMLEAF\x00\x01"
	maxHeader = 4 << 10
	maxRelay  = 256 << 20 // far above what a relayer publishes
)

// write makes a file of the distinct relays among leaves and syncs it.
func write(path string, t Tree, leaves Leaves) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	header, err := cbor.Marshal(t)
	if err != nil {
		return err
	}
	digest := sha256.New()
	out := bufio.NewWriterSize(f, 1<<20)
	to := io.MultiWriter(out, digest)
	if _, err := io.WriteString(to, magic); err != nil {
		return err
	}
	if err := writeRecord(to, header); err != nil {
		return err
	}
	seen := make(map[sessiontree.Digest]bool, t.Count)
	for relay, err := range leaves {
		if err != nil {
			return err
		}
		path := sessiontree.Path(relay)
		if seen[path] {
			continue
		}
		seen[path] = true
		if err := writeRecord(to, relay); err != nil {
			return err
		}
	}
	if uint64(len(seen)) != t.Count {
		return fmt.Errorf("%w: %d of %d relays", ErrIncomplete, len(seen), t.Count)
	}
	if _, err := out.Write(digest.Sum(nil)); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

func writeRecord(to io.Writer, record []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(record)))
	if _, err := to.Write(length[:]); err != nil {
		return err
	}
	_, err := to.Write(record)
	return err
}

// reader reads a file and digests what it has read.
type reader struct {
	in     *bufio.Reader
	digest hash.Hash
	left   int64 // bytes before the trailer
}

func openReader(path string) (*os.File, *reader, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrNotArchived
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, newReader(f, info.Size()), nil
}

func newReader(in io.Reader, size int64) *reader {
	return &reader{in: bufio.NewReaderSize(in, 1<<20), digest: sha256.New(), left: size - sha256.Size}
}

// tree reads the head of the file.
func (r *reader) tree() (t Tree, err error) {
	start, err := r.take(int64(len(magic)))
	if err != nil || string(start) != magic {
		return Tree{}, fmt.Errorf("%w: it does not begin as one", ErrCorrupt)
	}
	header, err := r.record(maxHeader)
	if err != nil {
		return Tree{}, err
	}
	if err := cbor.Unmarshal(header, &t); err != nil {
		return Tree{}, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	return t, nil
}

func (r *reader) record(most int64) ([]byte, error) {
	length, err := r.take(4)
	if err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(length))
	if n > most {
		return nil, fmt.Errorf("%w: record of %d bytes", ErrCorrupt, n)
	}
	return r.take(n)
}

// take allocates no more than the file has.
func (r *reader) take(n int64) ([]byte, error) {
	if n > r.left {
		return nil, fmt.Errorf("%w: it ends early", ErrCorrupt)
	}
	r.left -= n
	bz := make([]byte, n)
	if _, err := io.ReadFull(r.in, bz); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	r.digest.Write(bz)
	return bz, nil
}

func (r *reader) trailer() error {
	want := r.digest.Sum(nil)
	got := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r.in, got); err != nil || r.left != 0 || !bytes.Equal(got, want) {
		return fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	return nil
}

// readTree reads only the head of the file.
func readTree(path string) (Tree, error) {
	f, r, err := openReader(path)
	if err != nil {
		return Tree{}, err
	}
	t, err := r.tree()
	return t, errors.Join(err, f.Close())
}

// read builds the tree of a file, which must have that root.
func read(path string, root []byte) (_ sessiontree.Memory, err error) {
	f, r, err := openReader(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return r.nodes(root)
}

func (r *reader) nodes(root []byte) (sessiontree.Memory, error) {
	t, err := r.tree()
	if err != nil {
		return nil, err
	}
	grown := sessiontree.New(nil)
	for range t.Count {
		relay, err := r.record(maxRelay)
		if err != nil {
			return nil, err
		}
		if _, err := grown.Add(sessiontree.Path(relay), relay, t.Weight); err != nil {
			return nil, err
		}
	}
	if err := r.trailer(); err != nil {
		return nil, err
	}
	delta, err := grown.Commit()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(delta.Root, root) {
		return nil, fmt.Errorf("%w: root %x, want %x", ErrIncomplete, delta.Root, root)
	}
	return sessiontree.NewMemory(delta), nil
}
