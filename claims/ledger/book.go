package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

const (
	// span is how many session end heights share a file.
	span = 1000
	// maxFiles bounds the ledger: at a block a minute about two years.
	maxFiles = 1000
	// maxOpen is how many files are known by heart; sessions end in order, so one or
	// two are written to.
	maxOpen = 4
	// flushInterval is how long a session may wait for the disk. The raft log has it
	// until then.
	flushInterval = time.Second
)

// Book keeps sessions in files, by the height at which they ended to serve. A session
// is kept once, however often it comes. All methods may be called at any time.
type Book struct {
	dir string
	log *zap.Logger

	mu      sync.Mutex
	pending []*adminpb.SessionResponse

	writing sync.Mutex
	open    map[int64]*file // by number

	kept   prometheus.Counter
	failed prometheus.Counter
}

// Open uses dir, and makes it if need be.
func Open(dir string, reg prometheus.Registerer, log *zap.Logger) (*Book, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	f := promauto.With(reg)
	return &Book{
		dir: dir, log: log.Named("ledger"), open: make(map[int64]*file),
		kept:   f.NewCounter(prometheus.CounterOpts{Name: "ha_ledger_sessions_kept_total", Help: "Sessions written to this node's ledger."}),
		failed: f.NewCounter(prometheus.CounterOpts{Name: "ha_ledger_write_errors_total", Help: "Writes to the ledger that failed; they are tried again."}),
	}, nil
}

// Keep implements raftfsm.Ledger.
func (b *Book) Keep(sessions []*adminpb.SessionResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, sessions...)
}

// Run writes what was taken in until ctx ends.
func (b *Book) Run(ctx context.Context) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		if err := b.Sync(); err != nil {
			b.log.Warn("ledger not written, trying again", zap.Error(err))
		}
	}
}

// Sync implements raftfsm.Ledger.
func (b *Book) Sync() error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	taken := b.pending
	b.pending = nil
	b.mu.Unlock()
	if err := b.write(taken); err != nil {
		b.failed.Inc()
		b.mu.Lock()
		b.pending = append(taken, b.pending...) // what was written of it is known by now
		b.mu.Unlock()
		return err
	}
	return nil
}

func (b *Book) write(sessions []*adminpb.SessionResponse) error {
	byFile := make(map[int64][]*adminpb.SessionResponse)
	for _, s := range sessions {
		n := s.GetSession().GetEndHeight() / span
		byFile[n] = append(byFile[n], s)
	}
	var failed []error
	for n, list := range byFile {
		f, err := b.file(n)
		if err == nil {
			var added int
			added, err = f.add(list)
			b.kept.Add(float64(added))
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("ledger file %s: %w", b.path(n), err))
		}
	}
	return errors.Join(failed...)
}

// file is one that can be written to.
func (b *Book) file(n int64) (*file, error) {
	if f, is := b.open[n]; is {
		return f, nil
	}
	f, err := openFile(b.path(n))
	if err != nil {
		return nil, err
	}
	if f.damaged > 0 {
		b.log.Error("ledger has lines that are damaged, they are left out", zap.String("file", b.path(n)), zap.Int("lines", f.damaged))
	}
	b.open[n] = f
	if f.size == 0 {
		return f, b.prune()
	}
	for oldest := range b.open {
		if len(b.open) > maxOpen && oldest != n {
			delete(b.open, oldest)
		}
	}
	return f, nil
}

// prune removes the oldest files beyond maxFiles.
func (b *Book) prune() error {
	numbers, err := b.numbers()
	if err != nil {
		return err
	}
	for len(numbers) > maxFiles {
		delete(b.open, numbers[0])
		if err := os.Remove(b.path(numbers[0])); err != nil {
			return err
		}
		numbers = numbers[1:]
	}
	return nil
}

const filePrefix, fileSuffix = "sessions-", ".jsonl"

func (b *Book) path(n int64) string {
	return fmt.Sprintf("%s/%s%09d%s", b.dir, filePrefix, n, fileSuffix)
}

// numbers are those of the files that are there, in order.
func (b *Book) numbers() (numbers []int64, err error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	for _, e := range entries {
		digits, is := strings.CutPrefix(strings.TrimSuffix(e.Name(), fileSuffix), filePrefix)
		if n, err := strconv.ParseInt(digits, 10, 64); is && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Find implements raftfsm.Ledger. It looks at the newest files first.
func (b *Book) Find(key chain.SessionKey) (*adminpb.SessionResponse, error) {
	if err := b.Sync(); err != nil {
		return nil, err
	}
	numbers, err := b.numbers()
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(numbers) {
		found, _, err := readFrom(b.path(n), 0, 0, func(s *adminpb.SessionResponse) bool { return keyOf(s) == key })
		if err != nil || len(found) > 0 {
			return append(found, nil)[0], err
		}
	}
	return nil, nil
}

// Page implements raftfsm.Ledger. Tokens are file:offset.
func (b *Book) Page(token string, limit int) ([]*adminpb.SessionResponse, string, error) {
	var from, offset int64
	if token != "" {
		if _, err := fmt.Sscanf(token, "%d:%d", &from, &offset); err != nil {
			return nil, "", fmt.Errorf("page %q of the ledger: %w", token, err)
		}
	}
	if err := b.Sync(); err != nil {
		return nil, "", err
	}
	numbers, err := b.numbers()
	if err != nil {
		return nil, "", err
	}
	for i, n := range numbers {
		if n < from {
			continue
		}
		if n > from {
			offset = 0
		}
		kept, end, err := readFrom(b.path(n), offset, limit, func(*adminpb.SessionResponse) bool { return true })
		switch {
		case err != nil:
			return nil, "", err
		case len(kept) >= limit:
			return kept, fmt.Sprintf("%d:%d", n, end), nil
		case i+1 < len(numbers):
			return kept, fmt.Sprintf("%d:0", numbers[i+1]), nil
		}
		return kept, "", nil
	}
	return nil, "", nil
}

func keyOf(s *adminpb.SessionResponse) chain.SessionKey {
	return chain.SessionKey{Supplier: s.GetSession().GetSupplier(), SessionID: s.GetSession().GetSessionId()}
}
