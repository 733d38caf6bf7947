package certificate

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain/filewatch"
)

// lookEvery is how often the files are looked at.
const lookEvery = time.Second

// Follower has the newest pair of the files that could be served. It may be asked
// from anywhere.
type Follower struct {
	files   Files
	metrics metricsOf
	log     *zap.Logger
	pair    atomic.Pointer[tls.Certificate]
	watcher filewatch.Watcher
	told    string // what is wrong with the files now
}

// Follow reads the files, which must be of use.
func Follow(files Files, m *Metrics, log *zap.Logger) (*Follower, error) {
	f := &Follower{files: files, metrics: m.of(files.Setting), log: log}
	f.watcher.Read(files.paths())
	pair, err := files.Load(time.Now())
	if err != nil {
		return nil, err
	}
	f.serve(pair)
	return f, nil
}

// Certificate implements tls.Config.GetCertificate.
func (f *Follower) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.pair.Load(), nil
}

// Ready reports that clients refuse what is served, or nil.
func (f *Follower) Ready() error {
	return f.files.inTime(f.pair.Load(), time.Now())
}

// Run follows the files until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look serves what is in the files when they have changed. What cannot be served is
// tried again until it can: a key may come a moment after its certificate.
func (f *Follower) look() {
	if !f.watcher.Changed(f.files.paths()) {
		return
	}
	pair, err := f.files.Load(time.Now())
	if err == nil {
		f.told = ""
		f.metrics.loaded.Inc()
		f.serve(pair)
		f.log.Info("certificate read", zap.String("setting", f.files.Setting), zap.Time("not_after", pair.Leaf.NotAfter))
		return
	}
	f.watcher.Again()
	f.metrics.failed.Inc()
	if f.told != err.Error() {
		f.told = err.Error()
		f.log.Error("the certificate of before is served on", zap.Error(err), zap.Time("not_after", f.pair.Load().Leaf.NotAfter))
	}
}

func (f *Follower) serve(pair *tls.Certificate) {
	f.pair.Store(pair)
	f.metrics.expiry.Set(float64(pair.Leaf.NotAfter.Unix()))
}
