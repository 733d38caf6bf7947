package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Ready waits until the child's ready URL answers 200.
func (c *Child) Ready(ctx context.Context) error {
	if c.spec.ReadyURL == "" {
		return nil
	}
	client := &http.Client{Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := "no answer"
	for {
		if state, ok := probe(ctx, client, c.spec.ReadyURL); ok {
			return nil
		} else if state != "" {
			last = state
		}
		if !c.Running() {
			return fmt.Errorf("%s %w before it was ready (%v): %s", c.spec.Name, ErrExited, c.Wait(ctx), Tail(c.spec.LogPath, 600))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%s): %w", c.spec.Name, last, ctx.Err())
		}
	}
}

func probe(ctx context.Context, client *http.Client, url string) (state string, ok bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error(), false
	}
	res, err := client.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 200))
	return fmt.Sprintf("%s %s", res.Status, body), res.StatusCode == http.StatusOK
}

// Tail is the end of a log file, for error messages.
func Tail(path string, bytes int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > bytes {
		if _, err := f.Seek(-bytes, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
