package keystore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/filewatch"
)

const (
	// lookEvery is how often the sources are looked at.
	lookEvery = time.Second
	// Sources that had a problem are read again after so many looks, changed or not:
	// their trouble may have been the file system's. Each time that it is the same,
	// the next one is twice as far, since reading a keyring takes a minute of a core.
	retryLooks, maxRetryLooks = 30, 960
)

// ErrNoKey: no source has a key that can be used.
var ErrNoKey = errors.New("no source has a supplier key that can be used")

// Settings say what to read.
type Settings struct {
	Sources []Source
	Retired []string // addresses
	Watch   []string // files that the settings come from
	Follow  bool     // look for changes
}

func (s Settings) watched() (paths []string) {
	paths = append(paths, s.Watch...)
	for _, source := range s.Sources {
		paths = append(paths, source.Watch...)
	}
	return paths
}

// Options are what a store works with.
type Options struct {
	// Settings reads the settings anew.
	Settings func() (Settings, error)
	// Height is the newest block's; 0 when none was seen yet.
	Height  func() int64
	Metrics *Metrics
	Log     *zap.Logger
}

// Over says that a supplier's key, retired at a height, is not needed any more.
type Over func(supplier string, retired int64) bool

// Store holds the keys of a process. It may be asked from anywhere.
type Store struct {
	Options
	held     atomic.Pointer[map[string]held] // never changed in place
	settings Settings
	watcher  filewatch.Watcher
	trouble  string // problems that were told last
	looks    int    // since the sources were read with a problem; 0: without one
	patience int    // how many looks until they are read again
}

// Open reads the keys. The store is of use if there is one; what is wrong with
// others is logged.
func Open(o Options) (*Store, error) {
	settings, err := o.Settings()
	if err != nil {
		return nil, err
	}
	s := &Store{Options: o, settings: settings}
	s.held.Store(&map[string]held{})
	s.watcher.Read(settings.watched())
	problems := s.read(nil)
	if len(*s.held.Load()) == 0 {
		errs := []error{ErrNoKey}
		for _, p := range problems {
			errs = append(errs, p)
		}
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// Key is the key that signs transactions of a supplier, retired or not.
func (s *Store) Key(supplier string) (*chain.SupplierKey, bool) {
	h, ok := (*s.held.Load())[supplier]
	return h.key, ok
}

// Serving is the key that signs responses of a supplier, and the newest height at
// which a session may start that it still serves; 0 is no limit.
func (s *Store) Serving(supplier string) (key *chain.SupplierKey, until int64, ok bool) {
	h, ok := (*s.held.Load())[supplier]
	return h.key, h.until, ok
}

// Suppliers are the addresses of the keys, by whether they are retired.
func (s *Store) Suppliers() map[string]bool {
	out := make(map[string]bool)
	for address, h := range *s.held.Load() {
		out[address] = h.retired
	}
	return out
}

// Run follows the sources until ctx ends. A signal has them read at once. Keys that no
// source has any more are forgotten when they are over.
func (s *Store) Run(ctx context.Context, now <-chan os.Signal, over Over) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-now:
			s.reload()
		case <-ticker.C:
			s.look(over)
		}
	}
}

// look reloads when something has changed, and ends what is over.
func (s *Store) look(over Over) {
	s.tend(over)
	if !s.settings.Follow {
		return
	}
	if s.looks > 0 {
		s.looks++
	}
	if s.watcher.Changed(s.settings.watched()) || s.looks > s.patience {
		s.reload()
	}
}

// reload reads the settings and the sources. Without the settings it reads the
// sources of before.
func (s *Store) reload() {
	settings, err := s.Settings()
	if err != nil {
		s.read(problemsOf("keys", fail(ReasonSettings, "the configuration cannot be read: %w", err)))
		return
	}
	s.watcher.Read(settings.watched())
	s.settings = settings
	s.read(nil)
}

// read loads the sources and makes what they have the keys that are held.
func (s *Store) read(problems []Problem) []Problem {
	found := Load(s.settings.Sources)
	found.Problems = append(problems, found.Problems...)
	sortProblems(found.Problems)
	retired := make(map[string]bool)
	for _, address := range s.settings.Retired {
		retired[address] = true
	}
	keys, c := merge(*s.held.Load(), found, retired, s.Height())
	s.publish(keys)
	s.report(found, c)
	return found.Problems
}

func (s *Store) publish(keys map[string]held) {
	s.held.Store(&keys)
	s.Metrics.held(keys)
}

// tend sets from when a retired key serves nothing new once the height is known, and
// forgets keys that are in no source and not needed any more.
func (s *Store) tend(isOver Over) {
	height := s.Height()
	if height == 0 {
		return
	}
	old := *s.held.Load()
	var keys map[string]held
	for address, h := range old {
		late, over := h.retired && h.until == 0, h.gone && h.until > 0 && isOver(address, h.until)
		if !late && !over {
			continue
		}
		if keys == nil {
			keys = maps.Clone(old)
		}
		if h.until = height; late {
			keys[address] = h
			continue
		}
		delete(keys, address)
		s.Metrics.changes.WithLabelValues("forgotten").Inc()
		s.Log.Info("key forgotten: its sessions are over and no source has it", zap.String("supplier", address))
	}
	if keys != nil {
		s.publish(keys)
	}
}

// report tells each trouble once, and what changed.
func (s *Store) report(found Loaded, c changes) {
	s.looks = 0
	var trouble string
	for _, p := range found.Problems {
		s.looks = 1
		s.Metrics.problem(p)
		trouble += p.Error() + "\n"
	}
	if len(found.Problems) == 0 {
		s.Metrics.reloaded.Set(float64(time.Now().Unix()))
	}
	if len(found.Twice) > 0 {
		trouble += found.Twice[0]
	}
	s.patience = min(2*s.patience, maxRetryLooks)
	if trouble != s.trouble {
		s.trouble, s.patience = trouble, retryLooks
		for _, p := range found.Problems {
			s.Log.Error("keys: no key is taken away because of this", zap.String("reason", string(p.Reason)), zap.Error(p))
		}
		if len(found.Twice) > 0 {
			s.Log.Warn("keys: "+found.Twice[0], zap.Int("keys_twice", len(found.Twice)))
		}
	}
	s.Metrics.changed(c)
	if !c.none() {
		s.Log.Info("keys read", zap.Int("held", len(*s.held.Load())), zap.Int("added", len(c.added)),
			first("retired", c.retired), first("restored", c.restored))
	}
}

// first keeps a log line short.
func first(name string, suppliers []string) zap.Field {
	const most = 10
	if len(suppliers) > most {
		suppliers = append(suppliers[:most:most], fmt.Sprintf("and %d more", len(suppliers)-most))
	}
	return zap.Strings(name, suppliers)
}
