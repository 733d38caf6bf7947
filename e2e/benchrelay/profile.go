package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

// profileSeconds of processor samples are taken while turns go on.
const profileSeconds = 30

// writeProfile takes a CPU profile of our relayer under full load.
func (b *bench) writeProfile(ctx context.Context) error {
	if b.profile == "" {
		return nil
	}
	taken := make(chan error, 1)
	go func() { taken <- fetchProfile(ctx, b.ours.ops, b.profile) }()
	for {
		select {
		case err := <-taken:
			return err
		default:
		}
		if err := b.turn(ctx, b.ours, b.relays, usualAnswer, &spent{}); err != nil {
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
