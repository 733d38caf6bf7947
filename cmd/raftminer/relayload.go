package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// load is many relays under way.
type load struct {
	sender   *relaySender
	progress *progressbar.ProgressBar

	mu      sync.Mutex
	results map[string]*loadResult // by supplier
	reasons map[string]int         // of failures
}

// loadResult is what one supplier did.
type loadResult struct {
	failed, mined int
	took          []time.Duration // of those that were served
}

// loadRow is it as it is shown.
type loadRow struct {
	Supplier string `json:"supplier"`
	Served   int    `json:"served"` // each answer checked, signature and all
	Failed   int    `json:"failed"`
	Mined    int    `json:"mined"`
	P50      millis `json:"p50_ms"`
	P90      millis `json:"p90_ms"`
	P99      millis `json:"p99_ms"`
	Max      millis `json:"max_ms"`
}

// loadReport is the whole load as JSON.
type loadReport struct {
	loadRow
	Seconds   float64        `json:"seconds"`
	RPS       float64        `json:"rps"` // served
	Failures  map[string]int `json:"failures"`
	Suppliers []loadRow      `json:"suppliers"`
}

// runLoad sends relays to the suppliers in turn, whatever session it is.
func runLoad(cmd *cobra.Command, s *relaySender) error {
	l := &load{sender: s, results: make(map[string]*loadResult), reasons: make(map[string]int), progress: loadProgress(s.options.count)}
	began := time.Now()
	if _, err := s.sessions.get(cmd.Context(), nil); err != nil {
		return err
	}
	if err := l.run(cmd.Context()); err != nil {
		return err
	}
	_ = l.progress.Finish() // a terminal that went away
	report := l.report(time.Since(began))
	if err := showLoad(cmd, s.options.output, report); err != nil {
		return err
	}
	switch {
	case report.Served == 0:
		return errRelayFailed
	case report.Failed > 0:
		return errSomeDidFail
	}
	return nil
}

// loadProgress is a bar on a terminal, and nothing elsewhere.
func loadProgress(count int) *progressbar.ProgressBar {
	if !isatty.IsTerminal(os.Stderr.Fd()) {
		return progressbar.DefaultSilent(int64(count))
	}
	return progressbar.NewOptions(count, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("relays"), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("relays"))
}

func (l *load) run(ctx context.Context) error {
	o := l.sender.options
	limit := rate.NewLimiter(rate.Inf, 1)
	if o.rps > 0 {
		limit = rate.NewLimiter(rate.Limit(o.rps), 1)
	}
	var group errgroup.Group
	group.SetLimit(o.concurrency)
	for n := range o.count {
		if err := limit.Wait(ctx); err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			l.one(ctx, n)
			return nil
		})
	}
	return group.Wait()
}

// one sends a relay and notes what came of it.
func (l *load) one(ctx context.Context, n int) {
	d, err := l.sender.send(ctx, n, func(session *gateway.Session) (string, error) {
		suppliers, err := l.sender.options.suppliers(session)
		if err != nil {
			return "", err
		}
		return suppliers[n%len(suppliers)], nil
	})
	_ = l.progress.Add(1) // a terminal that went away
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.results[d.supplier]
	if r == nil {
		r = new(loadResult)
		l.results[d.supplier] = r
	}
	if err != nil {
		r.failed++
		l.reasons[reasonOf(err)]++
		return
	}
	r.took = append(r.took, time.Duration(float64(d.times.Total)*float64(time.Millisecond)))
	for _, a := range d.answers {
		if a.Mined {
			r.mined++
		}
	}
}

// reasonOf leaves out of an error what differs between relays.
func reasonOf(err error) string {
	var refusal *gateway.Refusal
	if errors.As(err, &refusal) {
		return fmt.Sprintf("refused: %s %d, %s", refusal.Codespace, refusal.Code, refusal.Description)
	}
	return err.Error()
}

func (l *load) report(took time.Duration) loadReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := new(loadResult)
	r := loadReport{Seconds: took.Seconds(), Failures: l.reasons}
	for _, supplier := range slices.Sorted(maps.Keys(l.results)) {
		one := l.results[supplier]
		r.Suppliers = append(r.Suppliers, one.row(supplier))
		all.failed, all.mined, all.took = all.failed+one.failed, all.mined+one.mined, append(all.took, one.took...)
	}
	r.loadRow = all.row("all")
	r.RPS = float64(r.Served) / took.Seconds()
	return r
}

func (r *loadResult) row(name string) loadRow {
	slices.Sort(r.took)
	return loadRow{
		Supplier: name, Served: len(r.took), Failed: r.failed, Mined: r.mined,
		P50: quantile(r.took, 0.5), P90: quantile(r.took, 0.9), P99: quantile(r.took, 0.99), Max: quantile(r.took, 1),
	}
}

// quantile is the time that a part q of the relays did not exceed.
func quantile(sorted []time.Duration, q float64) millis {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return millisOf(sorted[max(0, rank)])
}

func showLoad(cmd *cobra.Command, format string, r loadReport) error {
	if format == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
	}
	if err := show(cmd, format, append(r.Suppliers, r.loadRow)); err != nil {
		return err
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(cmd.OutOrStdout(), "%d times %s\n", r.Failures[reason], reason)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%.1f relays a second in %.1f s; every answer checked\n", r.RPS, r.Seconds)
	return err
}
