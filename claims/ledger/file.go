package ledger

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// A file has a line for each session:
//
//	CRC-32C of the rest, 8 hex digits | space | JSON | newline
//
// Lines are only added. What a kill left of the last one is cut off when the file is
// written to again.

// file is one that is written to.
type file struct {
	path    string
	size    int64 // of the whole lines
	keys    map[chain.SessionKey]struct{}
	damaged int
}

// openFile reads what is there; a file that is not there is empty.
func openFile(path string) (*file, error) {
	f := &file{path: path, keys: make(map[chain.SessionKey]struct{})}
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f.size, err = eachLine(in, 0, func(s *adminpb.SessionResponse) bool {
		if s == nil {
			f.damaged++
		} else {
			f.keys[keyOf(s)] = struct{}{}
		}
		return true
	})
	return f, err
}

// add appends the sessions that are not there yet, and makes them durable.
func (f *file) add(sessions []*adminpb.SessionResponse) (added int, err error) {
	var lines bytes.Buffer
	fresh := make(map[chain.SessionKey]struct{})
	for _, s := range sessions {
		key := keyOf(s)
		_, kept := f.keys[key]
		if _, twice := fresh[key]; kept || twice {
			continue
		}
		fresh[key] = struct{}{}
		line, err := encode(s)
		if err != nil {
			return 0, err
		}
		lines.Write(line)
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	if err := f.append(lines.Bytes()); err != nil {
		return 0, err
	}
	for key := range fresh {
		f.keys[key] = struct{}{}
	}
	return len(fresh), nil
}

// append writes behind the last whole line; a write that failed is overwritten.
func (f *file) append(lines []byte) (err error) {
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(f.size); err != nil {
		return err
	}
	if _, err := out.WriteAt(lines, f.size); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	if f.size == 0 {
		if err := syncDir(filepath.Dir(f.path)); err != nil {
			return err
		}
	}
	f.size += int64(len(lines))
	return nil
}

func syncDir(path string) (err error) {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return dir.Sync()
}

// readFrom is up to limit sessions (0: the first) that fit, from an offset on, and
// the offset behind them.
func readFrom(path string, offset int64, limit int, fits func(*adminpb.SessionResponse) bool) (found []*adminpb.SessionResponse, end int64, err error) {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, offset, nil
	}
	if err != nil {
		return nil, offset, err
	}
	defer in.Close()
	end, err = eachLine(in, offset, func(s *adminpb.SessionResponse) bool {
		if s != nil && fits(s) {
			found = append(found, s)
		}
		return len(found) < max(limit, 1)
	})
	return found, end, err
}

// eachLine visits whole lines from an offset on, nil for one that is damaged, until
// visit says no. It returns the offset behind the last line that was visited.
func eachLine(in io.ReadSeeker, offset int64, visit func(*adminpb.SessionResponse) bool) (int64, error) {
	if _, err := in.Seek(offset, io.SeekStart); err != nil {
		return offset, err
	}
	lines := bufio.NewReaderSize(in, 256<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return offset, nil // what is left is no whole line
		}
		if err != nil {
			return offset, err
		}
		offset += int64(len(line))
		session, err := decode(line)
		if err != nil {
			session = nil
		}
		if !visit(session) {
			return offset, nil
		}
	}
}

func encode(s *adminpb.SessionResponse) ([]byte, error) {
	record, err := protojson.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode session %s: %w", s.GetSession().GetSessionId(), err)
	}
	return fmt.Appendf(nil, "%08x %s\n", checksum(record), record), nil
}

var errDamaged = errors.New("line is damaged")

func decode(line []byte) (*adminpb.SessionResponse, error) {
	sum, record, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || err != nil || uint32(want) != checksum(record) {
		return nil, errDamaged
	}
	s := new(adminpb.SessionResponse)
	// A later build may have written fields that this one does not know.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(record, s); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return s, nil
}

func checksum(record []byte) uint32 {
	return crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli))
}
