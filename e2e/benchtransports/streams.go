package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/e2e/relayload"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// streamReport is how old events are when a client has them, in milliseconds.
type streamReport struct {
	Streams   int     `json:"streams"`
	Events    int     `json:"events"`
	P50       float64 `json:"event_p50_ms"`
	P99       float64 `json:"event_p99_ms"`
	DirectP50 float64 `json:"direct_event_p50_ms"`
	DirectP99 float64 `json:"direct_event_p99_ms"`
	AddedP99  float64 `json:"added_p99_ms"`
}

// An event tells when it was sent, in nanoseconds between these. The rest of a
// chunk is protobuf, whose lengths and keys hold neither.
const (
	sentAt  = "sent<"
	sentEnd = ">"
	// answerEnd follows each chunk of a relayed stream, blankLine each event.
	answerEnd = "||POKT_STREAM||"
	blankLine = "\n\n"
)

var errNoEvent = errors.New("no event")

// startStreams serves event streams. Streams that begin together do not stay so:
// each waits a part of a pause first.
func startStreams(o options) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("backend: %w", err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flusher := http.NewResponseController(w)
		time.Sleep(time.Duration(rand.Int64N(int64(o.pause))))
		tick := time.NewTicker(o.pause)
		defer tick.Stop()
		for range o.events {
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
			_, err := fmt.Fprintf(w, "data: {\"token\":\"%s%d%s\"}%s", sentAt, time.Now().UnixNano(), sentEnd, blankLine)
			if err != nil || flusher.Flush() != nil {
				return
			}
		}
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(handler)) }() // as long as we live
	return "http://" + listener.Addr().String(), nil
}

// measureStreams reads them from the backend itself, and then through the relayer.
func (b *bench) measureStreams(ctx context.Context) (streamReport, error) {
	session, err := b.session(ctx, pocketchain.StreamService)
	if err != nil {
		return streamReport{}, err
	}
	direct, err := b.read(blankLine, func(int) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, b.backend, nil)
	})
	if err != nil {
		return streamReport{}, err
	}
	relayed, err := b.read(answerEnd, func(i int) (*http.Request, error) { return b.request(ctx, session, i) })
	r := streamReport{
		Streams: b.streams, Events: len(relayed), P50: quantile(relayed, 0.5), P99: quantile(relayed, 0.99),
		DirectP50: quantile(direct, 0.5), DirectP99: quantile(direct, 0.99),
	}
	r.AddedP99 = r.P99 - r.DirectP99
	return r, err
}

// request is a relay whose answer is a stream.
func (b *bench) request(ctx context.Context, session *gateway.Session, i int) (*http.Request, error) {
	relay, err := b.client.Relay(session, session.Suppliers[i%len(session.Suppliers)], gateway.Call{
		Method: http.MethodGet, URL: "/?stream=" + strconv.Itoa(i), Header: http.Header{"Accept": {"text/event-stream"}},
	})
	if err != nil {
		return nil, err
	}
	body, err := relay.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode relay request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Rpc-Type", strconv.Itoa(int(sharedtypes.RPCType_REST)))
	return req, nil
}

// read reads all streams at once and returns how old each event was, sorted.
func (b *bench) read(end string, request func(i int) (*http.Request, error)) ([]time.Duration, error) {
	requests := make([]*http.Request, b.streams) // signing is not part of it
	for i := range requests {
		var err error
		if requests[i], err = request(i); err != nil {
			return nil, err
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	var group errgroup.Group
	for _, req := range requests {
		group.Go(func() error {
			ages, err := readEvents(req, end)
			if err == nil && len(ages) != b.events {
				err = fmt.Errorf("%w: a stream had %d, want %d", errNoEvent, len(ages), b.events)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, ages...)
			return err
		})
	}
	err := group.Wait()
	slices.Sort(all)
	return all, err
}

func readEvents(req *http.Request, end string) (ages []time.Duration, err error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var chunk []byte
	for in := bufio.NewReader(res.Body); ; {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return ages, nil
		case err != nil:
			return nil, err
		}
		if chunk = append(chunk, c); !bytes.HasSuffix(chunk, []byte(end)) {
			continue
		}
		age, err := ageOf(chunk)
		if err != nil {
			return nil, err
		}
		ages, chunk = append(ages, age), chunk[:0]
	}
}

func ageOf(chunk []byte) (time.Duration, error) {
	_, rest, found := bytes.Cut(chunk, []byte(sentAt))
	digits, _, ended := bytes.Cut(rest, []byte(sentEnd))
	if !found || !ended {
		return 0, fmt.Errorf("%w in %.300q", errNoEvent, chunk)
	}
	sent, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoEvent, err)
	}
	return time.Duration(time.Now().UnixNano() - sent), nil
}

func quantile(sorted []time.Duration, q float64) float64 {
	return float64(relayload.Quantile(sorted, q).Microseconds()) / 1000
}
