package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	publishWriters = 2       // connections that publish; in a Cluster one for each partition
	publishBatch   = 256     // relays in one pipeline
	publishBytes   = 4 << 20 // of relays in one pipeline, unless one alone is bigger
	publishQueue   = 4096
	publishTimeout = 2 * time.Second       // of one pipeline
	publishPause   = 20 * time.Millisecond // before a relay is tried again
)

// Publisher puts mined relays into the streams. Relays that are published at
// the same time share a pipeline; one that is alone does not wait for others.
type Publisher struct {
	rdb    redis.UniversalClient
	keys   Keys
	log    *zap.Logger
	queues []chan publication // one, in a Cluster one a partition: a master that is away holds up no other

	mu      sync.RWMutex // guards closed, and the queues' ends
	closed  bool
	writers sync.WaitGroup

	published *prometheus.CounterVec
	latency   prometheus.Histogram
}

// publication is one relay on its way, and where its caller waits.
type publication struct {
	relay MinedRelay
	to    parcel
	done  chan error // buffered: a caller that gave up is not waited for
}

// NewPublisher starts the writers; Close stops them.
func NewPublisher(rdb redis.UniversalClient, keys Keys, reg prometheus.Registerer, log *zap.Logger) *Publisher {
	f := promauto.With(reg)
	p := &Publisher{
		rdb: rdb, keys: keys, log: log,
		published: f.NewCounterVec(prometheus.CounterOpts{
			Name: "ha_relayer_publish_attempts_total", Help: "Relays handed to Redis by what became of them.",
		}, []string{"result"}),
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name: "ha_relayer_publish_latency_seconds", Help: "Time until a relay was in the stream.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 3, 10),
		}),
	}
	queues, writers := 1, publishWriters
	if _, cluster := rdb.(*redis.ClusterClient); cluster {
		queues, writers = keys.Partitions(), 1
	}
	for range queues {
		queue := make(chan publication, publishQueue)
		p.queues = append(p.queues, queue)
		for range writers {
			p.writers.Go(func() { p.write(queue) })
		}
	}
	return p
}

// Publish returns nil once the relay is in the stream. ErrSessionClosed says
// that it is not and never will be. After any other error it may be there: a
// relay that is published twice is one leaf.
func (p *Publisher) Publish(ctx context.Context, relay MinedRelay) error {
	return p.publish(ctx, relay, false)
}

// Republish is Publish for a relay that was in the stream before Redis lost it. A
// closed session takes it, too, if its relays are asked for again.
func (p *Publisher) Republish(ctx context.Context, relay MinedRelay) error {
	return p.publish(ctx, relay, true)
}

func (p *Publisher) publish(ctx context.Context, relay MinedRelay, again bool) error {
	start := time.Now()
	for {
		err := p.once(ctx, relay, again)
		switch {
		case err == nil:
			p.published.WithLabelValues("published").Inc()
			p.latency.Observe(time.Since(start).Seconds())
			return nil
		case errors.Is(err, ErrSessionClosed):
			p.published.WithLabelValues("session_closed").Inc()
			return err
		case ctx.Err() != nil || final(err):
			p.published.WithLabelValues("failed").Inc()
			return fmt.Errorf("publish relay: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(publishPause):
		}
	}
}

// final tells the errors that trying again at once does not cure. A read-only
// Redis is one in the middle of a failover.
func final(err error) bool {
	return errors.Is(err, ErrStoreFull) || errors.Is(err, ErrPublisherClosed)
}

func (p *Publisher) once(ctx context.Context, relay MinedRelay, again bool) error {
	to := parcel{p.keys.Partition(relay.Key()), again}
	item := publication{relay: relay, to: to, done: make(chan error, 1)}
	if err := p.enqueue(ctx, item); err != nil {
		return err
	}
	select {
	case err := <-item.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueue waits for room in the relay's queue. Close waits for those who wait here.
func (p *Publisher) enqueue(ctx context.Context, item publication) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return ErrPublisherClosed
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case p.queues[item.to.partition%len(p.queues)] <- item:
		return nil
	}
}

// Close refuses new relays and waits until those queued have an answer.
func (p *Publisher) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		for _, queue := range p.queues {
			close(queue)
		}
	}
	p.mu.Unlock()
	p.writers.Wait()
	return nil
}

func (p *Publisher) write(queue <-chan publication) {
	for first := range queue {
		p.send(gather(queue, first))
	}
}

// gather takes what is waiting, and waits for nothing.
func gather(queue <-chan publication, first publication) []publication {
	batch := []publication{first}
	size := len(first.relay.Relay)
	for len(batch) < publishBatch && size < publishBytes {
		select {
		case next, open := <-queue:
			if !open {
				return batch
			}
			batch = append(batch, next)
			size += len(next.relay.Relay)
		default:
			return batch
		}
	}
	return batch
}

// parcel is what one script takes.
type parcel struct {
	partition int
	again     bool // Redis had its relays and lost them
}

// send publishes a batch: one script a parcel, all in one pipeline.
func (p *Publisher) send(batch []publication) {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	parcels := make(map[parcel][]publication)
	for _, item := range batch {
		parcels[item.to] = append(parcels[item.to], item)
	}
	results := make(map[parcel]*redis.Cmd, len(parcels))
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for at, items := range parcels {
			results[at] = publishScript.EvalSha(ctx, pipe, p.publishKeys(at), publishArgs(at, items)...)
		}
		return nil
	})
	if err != nil {
		p.log.Debug("publish pipeline failed", zap.Int("relays", len(batch)), zap.Error(err))
		p.sendSource(ctx, parcels, results)
	}
	for at, items := range parcels {
		answer(items, results[at])
	}
}

// sendSource sends the script itself where a Redis did not know it: a new one,
// or one that restarted or was failed over.
func (p *Publisher) sendSource(ctx context.Context, parcels map[parcel][]publication, results map[parcel]*redis.Cmd) {
	for at, items := range parcels {
		if redis.HasErrorPrefix(results[at].Err(), "NOSCRIPT") {
			results[at] = publishScript.Eval(ctx, p.rdb, p.publishKeys(at), publishArgs(at, items)...)
		}
	}
}

func (p *Publisher) publishKeys(at parcel) []string {
	return []string{p.keys.Closed(at.partition), p.keys.Stream(at.partition)}
}

func publishArgs(at parcel, items []publication) []any {
	args := make([]any, 0, 1+3*len(items))
	again := ""
	if at.again {
		again = "1"
	}
	args = append(args, again)
	for _, item := range items {
		r := item.relay
		args = append(args, sessionField(r.Key()), r.ComputeUnits, r.Relay)
	}
	return args
}

// answer tells every caller what became of its relay.
func answer(items []publication, result *redis.Cmd) {
	ids, err := result.StringSlice()
	if err == nil && len(ids) != len(items) {
		err = fmt.Errorf("%d relays published, %d answers", len(items), len(ids))
	}
	for i, item := range items {
		switch {
		case err != nil:
			item.done <- refusal(err)
		case ids[i] == "":
			item.done <- ErrSessionClosed
		default:
			item.done <- nil
		}
	}
}
