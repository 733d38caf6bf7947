package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// lineInterval is how often a log without a terminal gets a line.
const lineInterval = 5 * time.Second

// progress shows how a run goes: bars on a terminal, else a line now and then.
type progress struct {
	out    io.Writer
	tty    bool
	bar    *progressbar.ProgressBar
	phase  string
	start  int64 // first block of the settlement phase
	total  int
	latest time.Time
}

func newProgress(out io.Writer, total int) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, total: total, tty: ok && isatty.IsTerminal(file.Fd())}
}

func (p *progress) update(now devnet.Progress) {
	changed := now.Phase != p.phase
	if changed {
		p.phase, p.start = now.Phase, now.Height
	}
	if p.tty {
		p.draw(now, changed)
		return
	}
	if changed || time.Since(p.latest) >= lineInterval {
		p.latest = time.Now()
		fmt.Fprintln(p.out, describe(now))
	}
}

func describe(now devnet.Progress) string {
	if now.Until > 0 {
		return fmt.Sprintf("settling  block %d of %d", now.Height, now.Until)
	}
	return fmt.Sprintf("relays    %d of %d answered, %d failed, %d leaders killed, block %d",
		now.Answered, now.Total, now.Failed, now.Kills, now.Height)
}

// draw moves the bar. The terminal may fail under us; the run goes on.
func (p *progress) draw(now devnet.Progress, changed bool) {
	steps, done := int64(now.Total), int64(now.Answered+now.Failed)
	label := fmt.Sprintf("relays (%d leaders killed)", now.Kills)
	if now.Until > 0 {
		steps, done = max(now.Until-p.start, 1), min(now.Height, now.Until)-p.start
		label = "waiting for the chain to settle"
	}
	if changed {
		p.finish()
		p.bar = progressbar.NewOptions64(steps, progressbar.OptionSetWriter(p.out),
			progressbar.OptionSetWidth(40), progressbar.OptionShowCount(), progressbar.OptionThrottle(50*time.Millisecond))
	}
	p.bar.Describe(label)
	_ = p.bar.Set64(done)
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.out)
		p.bar = nil
	}
}
