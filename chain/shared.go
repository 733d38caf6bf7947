package chain

import (
	"context"
	"fmt"
	"time"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"github.com/prometheus/client_golang/prometheus"
)

// Shared is a cache that the relayers of one operator have in common. What it cannot
// do it leaves undone, soon: then the chain is asked.
type Shared interface {
	Get(ctx context.Context, name string) (value []byte, ok bool)
	Set(ctx context.Context, name string, value []byte, keep time.Duration)
	Drop(ctx context.Context, names []string)
}

// sharing is what of the answers of one kind is shared, and how.
type sharing[K comparable, V any] struct {
	in     Shared // nil: nothing
	kind   string
	keep   time.Duration
	encode func(V) ([]byte, error)
	decode func([]byte) (V, error)
	lookup *prometheus.CounterVec
}

// sharedFor is for how long others may use what one has asked for and cannot change.
const sharedFor = time.Hour

func (s *sharing[K, V]) name(key K) string { return fmt.Sprint(s.kind, "/", key) }

// through asks the chain for what is not shared yet.
func (s *sharing[K, V]) through(load func(context.Context, K) (V, error)) func(context.Context, K) (V, error) {
	if s.in == nil {
		return load
	}
	return func(ctx context.Context, key K) (V, error) {
		name := s.name(key)
		if raw, ok := s.in.Get(ctx, name); ok {
			if value, err := s.decode(raw); err == nil {
				s.lookup.WithLabelValues(s.kind, "found").Inc()
				return value, nil
			}
		}
		s.lookup.WithLabelValues(s.kind, "missing").Inc()
		value, err := load(ctx, key)
		if err != nil {
			return value, err
		}
		if raw, err := s.encode(value); err == nil {
			s.in.Set(ctx, name, raw, s.keep)
		}
		return value, nil
	}
}

// drop takes back what an event has made wrong.
func (s *sharing[K, V]) drop(keys []K) {
	if s.in == nil || len(keys) == 0 {
		return
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.name(key)
	}
	s.in.Drop(context.Background(), names)
}

func sharedSessions(in Shared, m *Metrics) *sharing[sessionQuery, *knownSession] {
	return &sharing[sessionQuery, *knownSession]{
		in: in, kind: "session", keep: sharedFor, lookup: m.shared,
		encode: func(s *knownSession) ([]byte, error) { return s.Marshal() },
		decode: func(raw []byte) (*knownSession, error) {
			s := &knownSession{Session: new(sessiontypes.Session)}
			return s, s.Unmarshal(raw)
		},
	}
}

func sharedApplications(in Shared, m *Metrics, keep time.Duration) *sharing[string, *apptypes.Application] {
	return &sharing[string, *apptypes.Application]{
		in: in, kind: "application", keep: keep, lookup: m.shared,
		encode: func(a *apptypes.Application) ([]byte, error) { return a.Marshal() },
		decode: func(raw []byte) (*apptypes.Application, error) {
			a := new(apptypes.Application)
			return a, a.Unmarshal(raw)
		},
	}
}

func sharedPubKeys(in Shared, m *Metrics) *sharing[string, []byte] {
	same := func(raw []byte) ([]byte, error) { return raw, nil }
	return &sharing[string, []byte]{in: in, kind: "key", keep: sharedFor, lookup: m.shared, encode: same, decode: same}
}
