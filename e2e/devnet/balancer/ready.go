package balancer

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// How often a backend is asked whether it is ready, and how long it may think.
const (
	askEvery   = 50 * time.Millisecond
	askTimeout = 2 * time.Second
)

// watched is a backend and what it said last.
type watched struct {
	Backend
	away atomic.Bool
}

// watch asks until ctx ends.
func (w *watched) watch(ctx context.Context) {
	client := &http.Client{Timeout: askTimeout}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		w.away.Store(!ready(ctx, client, w.Ready))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func ready(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
