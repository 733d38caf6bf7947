package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/raftminer/raftminer/e2e/relayload"
)

// profileSeconds of samples are taken.
const profileSeconds = 15

// writeProfile takes a CPU profile of our relayer under full load. The same
// requests are sent over and over: signing more would leave it nothing to do.
func (b *bench) writeProfile(ctx context.Context) error {
	if b.profile == "" {
		return nil
	}
	requests, _, err := b.source.Sign(ctx, b.relays, "/"+strconv.Itoa(usualAnswer))
	if err != nil {
		return err
	}
	taken := make(chan error, 1)
	go func() { taken <- fetchProfile(ctx, b.ours.ops, b.profile) }()
	for {
		select {
		case err := <-taken:
			return err
		default:
		}
		if _, err := relayload.Closed(ctx, b.ours.client, requests); err != nil {
			return err
		}
	}
}

func fetchProfile(ctx context.Context, ops, path string) error {
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", ops, profileSeconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: status %d, %.200q", res.StatusCode, raw)
	}
	return os.WriteFile(path, raw, 0o644)
}
