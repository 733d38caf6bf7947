package devnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// scrape reads a node's metrics and adds up each one over its labels.
func (n *node) scrape(ctx context.Context) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.metrics+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", n.name, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", n.name, err)
	}
	defer res.Body.Close()
	sums := make(map[string]float64)
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if name, value, ok := parseSample(lines.Text()); ok {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}

// parseSample reads a line of the Prometheus text format without its labels.
func parseSample(line string) (name string, value float64, ok bool) {
	if line == "" || line[0] == '#' {
		return "", 0, false
	}
	end := strings.IndexAny(line, "{ ")
	last := strings.LastIndexByte(line, ' ')
	if end < 0 || last < 0 {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(line[last+1:], 64)
	return line[:end], value, err == nil
}

// Metric is a metric of a node, added up over its labels; 0 when it is not there.
func (d *Devnet) Metric(ctx context.Context, name, metric string) (float64, error) {
	n, err := d.node(name)
	if err != nil {
		return 0, err
	}
	sums, err := n.scrape(ctx)
	return sums[metric], err
}

// ErrNoLeader is a moment without a leading miner.
var ErrNoLeader = errors.New("no miner leads")

const leaderMetric = "ha_raft_is_leader"

// Leader is the name of the miner that leads now.
func (d *Devnet) Leader(ctx context.Context) (string, error) {
	for _, n := range d.minerNodes() {
		if sums, err := n.scrape(ctx); err == nil && sums[leaderMetric] == 1 {
			return n.name, nil
		}
	}
	return "", ErrNoLeader
}

// WaitLeader waits until a miner leads.
func (d *Devnet) WaitLeader(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if leader, err := d.Leader(ctx); err == nil {
			return leader, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
		}
	}
}
