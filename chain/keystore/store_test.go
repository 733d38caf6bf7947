package keystore

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// world is a store with a file, and what it depends on.
type world struct {
	t        *testing.T
	file     string
	settings Settings
	broken   error // of the settings
	height   int64
	over     bool
	logs     *observer.ObservedLogs
	metrics  *Metrics
	store    *Store
}

func newWorld(t *testing.T, keys ...int) *world {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	w := &world{t: t, file: filepath.Join(t.TempDir(), "keys"), height: 100, logs: logs, metrics: NewMetrics(prometheus.NewRegistry())}
	w.write(lines(keys...))
	w.settings = Settings{Sources: []Source{File("keys.keys_file", w.file, parseLines)}, Follow: true}
	var err error
	w.store, err = Open(Options{
		Settings: func() (Settings, error) { return w.settings, w.broken },
		Height:   func() int64 { return w.height },
		Metrics:  w.metrics, Log: zap.New(core),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write replaces the file as kubectl and most editors do.
func (w *world) write(text string) {
	w.t.Helper()
	if err := os.Rename(write(w.t, w.file+".new", text), w.file); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) look() { w.store.look(func(string, int64) bool { return w.over }) }

// settle looks until a change must have been acted on.
func (w *world) settle() {
	for range 3 {
		w.look()
	}
}

// check compares what is held: active and retired keys by number.
func (w *world) check(when string, active, retired []int) {
	w.t.Helper()
	want := make(map[string]bool)
	for address := range addresses(w.t, active...) {
		want[address] = false
	}
	for address := range addresses(w.t, retired...) {
		want[address] = true
	}
	if got := w.store.Suppliers(); !maps.Equal(got, want) {
		w.t.Errorf("%s: held %v, want %v", when, got, want)
	}
	if got := testutil.ToFloat64(w.metrics.active); got != float64(len(active)) {
		w.t.Errorf("%s: the metric says %g active keys, want %d", when, got, len(active))
	}
}

func (w *world) refused(reason Reason) float64 {
	return testutil.ToFloat64(w.metrics.errors.WithLabelValues("keys_file", string(reason)))
}

func (w *world) until(n int) int64 {
	w.t.Helper()
	_, until, ok := w.store.Serving(addressOf(w.t, n))
	if !ok {
		w.t.Errorf("key %d is not there", n)
	}
	return until
}

func TestAnAddedKeyServes(t *testing.T) {
	w := newWorld(t, 1)
	w.write(lines(1, 2))
	w.look()
	w.check("while the file may be half-written", []int{1}, nil)
	w.settle()
	w.check("after the change", []int{1, 2}, nil)
	if until := w.until(2); until != 0 {
		t.Errorf("the new key serves until %d", until)
	}
}

func TestNothingUnreadableTakesAKeyAway(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(w *world)
		reason Reason
		active []int
	}{
		"emptied":             {func(w *world) { w.write("") }, ReasonEmpty, []int{1, 2}},
		"half-written":        {func(w *world) { w.write(lines(1) + digits(2)[:33]) }, ReasonMalformed, []int{1, 2}},
		"removed":             {func(w *world) { _ = os.Remove(w.file) }, ReasonUnreadable, []int{1, 2}},
		"a directory":         {func(w *world) { _ = os.Remove(w.file); _ = os.Mkdir(w.file, 0o700) }, ReasonUnreadable, []int{1, 2}},
		"junk, and a new key": {func(w *world) { w.write("junk\n" + lines(3)) }, ReasonMalformed, []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, 2)
			test.damage(w)
			w.settle()
			w.check("damaged", test.active, nil)
			if got := w.refused(test.reason); got != 1 {
				t.Errorf("%g problems with reason %s, want 1", got, test.reason)
			}
			told := w.logs.FilterField(zap.String("reason", string(test.reason))).Len()
			for range retryLooks + 1 {
				w.look()
			}
			if got := w.refused(test.reason); got < 2 {
				t.Errorf("the source was not read again: %g problems", got)
			}
			if again := w.logs.FilterField(zap.String("reason", string(test.reason))).Len(); told != 1 || again != 1 {
				t.Errorf("told %d times, then %d times, want once", told, again)
			}
			_ = os.Remove(w.file)
			w.write(lines(1))
			w.settle()
			w.check("mended, with a key less", []int{1}, slices.DeleteFunc(slices.Clone(test.active), func(n int) bool { return n == 1 }))
		})
	}
}

func TestASourceThatStaysBrokenIsReadLessAndLess(t *testing.T) {
	w := newWorld(t, 1)
	w.write("")
	w.settle()
	var reads []int // the looks before each
	for looks := 1; len(reads) < 8; looks++ {
		before := w.refused(ReasonEmpty)
		if w.look(); w.refused(ReasonEmpty) > before {
			reads = append(reads, looks)
			looks = 0
		}
	}
	for i := 1; i < len(reads); i++ {
		if reads[i] < reads[i-1] || reads[i] > maxRetryLooks {
			t.Fatalf("read again after %v looks", reads)
		}
	}
	if reads[0] > retryLooks || reads[7] != maxRetryLooks {
		t.Errorf("read again after %v looks, want from %d to %d", reads, retryLooks, maxRetryLooks)
	}
	w.write("junk")
	w.settle()
	if got := w.refused(ReasonMalformed); got != 1 {
		t.Errorf("a change was not looked at: %g", got)
	}
}

func TestARemovedKeyIsRetired(t *testing.T) {
	w := newWorld(t, 1, 2)
	w.write(lines(1))
	w.settle()
	w.check("removed", []int{1}, []int{2})
	if until := w.until(2); until != 100 {
		t.Errorf("it serves sessions that start until %d, want 100", until)
	}
	if key, ok := w.store.Key(addressOf(t, 2)); !ok || key == nil {
		t.Error("nothing can be claimed with it")
	}
	w.height = 110
	w.settle()
	if until := w.until(2); until != 100 {
		t.Errorf("10 blocks later it serves until %d, want 100", until)
	}
	w.write(lines(1, 2))
	w.settle()
	w.check("put back", []int{1, 2}, nil)
	if until := w.until(2); until != 0 {
		t.Errorf("put back, it serves until %d", until)
	}
	w.write(lines(1))
	w.settle()
	w.over = true
	w.settle()
	w.check("over", []int{1}, nil)
	for change, want := range map[string]float64{"added": 2, "retired": 2, "restored": 1, "forgotten": 1} {
		if got := testutil.ToFloat64(w.metrics.changes.WithLabelValues(change)); got != want {
			t.Errorf("%g keys %s, want %g", got, change, want)
		}
	}
}

func TestAKeyThatIsListedAsRetired(t *testing.T) {
	w := newWorld(t, 1, 2)
	w.height = 0
	w.settings.Watch = []string{write(t, w.file+".yaml", "1")}
	w.settings.Retired = []string{addressOf(t, 2)}
	w.store.reload()
	w.check("listed", []int{1}, []int{2})
	if until := w.until(2); until != 0 {
		t.Errorf("without a height it serves until %d", until)
	}
	w.height, w.over = 120, true
	w.settle()
	if until := w.until(2); until != 120 {
		t.Errorf("it serves until %d, want 120", until)
	}
	w.check("while a source has it", []int{1}, []int{2})
	w.settings.Retired = nil
	write(t, w.file+".yaml", "22")
	w.settle()
	w.check("not listed any more", []int{1, 2}, nil)
}

func TestSettingsThatCannotBeReadChangeNothing(t *testing.T) {
	w := newWorld(t, 1, 2)
	w.broken = errors.New("half a file")
	w.write(lines(1))
	w.settle()
	w.check("broken settings", []int{1, 2}, nil)
	if got := testutil.ToFloat64(w.metrics.errors.WithLabelValues("keys", string(ReasonSettings))); got != 1 {
		t.Errorf("%g problems with the settings, want 1", got)
	}
}

func TestASwappedKubernetesSecretIsSeen(t *testing.T) {
	w := newWorld(t, 1)
	mount := filepath.Join(t.TempDir(), "secret")
	publish := func(version, text string) {
		t.Helper()
		write(t, filepath.Join(mount, version, "keys"), text)
		link := filepath.Join(mount, "..data_tmp")
		if err := os.Symlink(version, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", lines(1, 2))
	if err := os.Symlink("..data/keys", filepath.Join(mount, "keys")); err != nil {
		t.Fatal(err)
	}
	w.settings.Sources = append(w.settings.Sources, Dir("keys.keys_dir", mount, parseLines))
	w.store.reload()
	w.check("first version", []int{1, 2}, nil)
	publish("..2", lines(1, 3))
	w.settle()
	w.check("second version", []int{1, 3}, []int{2})
}

func TestWithoutAKeyThereIsNoStore(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "k"), "junk")
	_, err := Open(Options{
		Settings: func() (Settings, error) {
			return Settings{Sources: []Source{File("keys.keys_file", file, parseLines)}}, nil
		},
		Height: func() int64 { return 0 }, Metrics: NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(),
	})
	if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "k:1: is not a key") {
		t.Errorf("got %v, want no key and why", err)
	}
}

func TestNothingIsReadWithoutAChange(t *testing.T) {
	w := newWorld(t, 1)
	before := w.store.held.Load()
	w.settle()
	if w.store.held.Load() != before {
		t.Error("the sources were read again")
	}
	w.settings.Follow = false
	w.store.reload()
	w.write(lines(1, 2))
	w.settle()
	w.check("hot reload is off", []int{1}, nil)
}

func TestMergeKeepsItsInput(t *testing.T) {
	found := Load([]Source{listed(Entry{Secret: secret(1)}, Entry{Secret: secret(2)})})
	old, _ := merge(nil, found, nil, 1)
	before := maps.Clone(old)
	less := Load([]Source{listed(Entry{Secret: secret(1)})})
	if _, c := merge(old, less, nil, 2); !slices.Equal(c.retired, []string{addressOf(t, 2)}) {
		t.Errorf("retired %v", c.retired)
	}
	if !reflect.DeepEqual(old, before) {
		t.Error("merge changed what it was given")
	}
}
