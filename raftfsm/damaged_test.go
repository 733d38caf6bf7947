package raftfsm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
)

// kept is a data directory with two snapshots and the log around them, and the
// state that it stands for.
type kept struct {
	dir   string
	state []byte
}

// newKept seals entries sessions, and takes snapshots after a third and two thirds.
func newKept(t *testing.T, entries int) kept {
	t.Helper()
	k := kept{dir: t.TempDir()}
	store, err := openStorage(k.dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	commands := []Command{Init{"c", 4}, OpenEpoch{epoch1, "m1#a"}}
	for n := range entries - len(commands) {
		commands = append(commands, seal(fmt.Sprintf("session-%d", n)))
	}
	fsm := newScratchFSM()
	for n, cmd := range commands {
		data, err := EncodeCommand(cmd)
		if err != nil {
			t.Fatal(err)
		}
		entry := &raft.Log{Index: uint64(n + 1), Term: 1 + uint64(n*3/entries), Type: raft.LogCommand, Data: data, AppendedAt: time.Unix(1e9, 0)}
		if err := store.logs.StoreLog(entry); err != nil {
			t.Fatal(err)
		}
		fsm.Apply(entry)
		if n == entries/3 || n == 2*entries/3 {
			k.snapshot(t, store, fsm, entry)
		}
	}
	if err := errors.Join(store.stable.SetUint64([]byte(keyCurrentTerm), 3), store.stable.SetUint64([]byte(keyLastVoteTerm), 3), store.close.Close()); err != nil {
		t.Fatal(err)
	}
	k.state = stateOf(t, fsm)
	return k
}

func (k kept) snapshot(t *testing.T, store storage, fsm *FSM, last *raft.Log) {
	t.Helper()
	_, transport := raft.NewInmemTransport("")
	defer func() { _ = transport.Close() }()
	sink, err := store.snapshots.Create(1, last.Index, last.Term, raft.Configuration{}, 0, transport)
	if err != nil {
		t.Fatal(err)
	}
	frozen, err := fsm.Snapshot()
	if err == nil {
		err = frozen.Persist(sink)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func stateOf(t *testing.T, fsm *FSM) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	fsm.View(func(s *State) { err = s.Encode(&out) })
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// damaged copies the directory and damages the copy.
func (k kept) damaged(t *testing.T, damage func(dir string)) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(k.dir)); err != nil {
		t.Fatal(err)
	}
	damage(dir)
	return dir
}

// reopened is the state that a directory stands for, as the library puts it
// together.
func reopened(t *testing.T, dir string) ([]byte, error) {
	t.Helper()
	store, err := openStorage(dir, hclog.NewNullLogger())
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.close.Close() }()
	fsm, next := newScratchFSM(), uint64(1)
	snapshot, err := newestIntact(store.snapshots)
	if err != nil {
		t.Fatal(err) // it was opened
	}
	if snapshot.Index > 0 {
		_, content, err := store.snapshots.Open(snapshot.ID)
		if err == nil {
			err = fsm.Restore(content)
		}
		if err != nil {
			t.Fatal(err)
		}
		next = snapshot.Index + 1
	}
	last, err := store.logs.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	for ; next <= last; next++ {
		var entry raft.Log
		if err := store.logs.GetLog(next, &entry); err != nil {
			t.Fatal(err)
		}
		fsm.Apply(&entry)
	}
	return stateOf(t, fsm), nil
}

// expect opens a damaged directory: it is refused as damaged, or stands for the
// same state as before. The result says which.
func (k kept) expect(t *testing.T, what, dir string) (refused bool) {
	t.Helper()
	state, err := reopened(t, dir)
	if err != nil {
		wantError(t, err, ErrCorrupt)
		return true
	}
	if !bytes.Equal(state, k.state) {
		t.Errorf("%s: the directory stands for another state, and nobody notices", what)
	}
	return false
}

func TestUndamagedDirectoryIsTaken(t *testing.T) {
	k := newKept(t, 90)
	if k.expect(t, "nothing", k.dir) {
		t.Error("refused")
	}
}

// A log that was cut off where something was written is refused: what is missing
// would be a fault in mapped memory, or an older state. bbolt makes its file longer
// than it needs.
func TestCutLogIsRefused(t *testing.T) {
	k := newKept(t, 90)
	used := usedSize(t, filepath.Join(k.dir, logFile))
	page := int64(os.Getpagesize())
	sizes := []int64{1, page - 1, page, 2*page - 1, 2*page + 1, used / 2, used - 1}
	for size := 2 * page; size < used; size += page {
		sizes = append(sizes, size)
	}
	for _, size := range sizes {
		what := fmt.Sprintf("cut to %d of %d bytes", size, used)
		dir := k.damaged(t, func(dir string) {
			if err := os.Truncate(filepath.Join(dir, logFile), size); err != nil {
				t.Fatal(err)
			}
		})
		if !k.expect(t, what, dir) {
			t.Errorf("%s: it was taken", what)
		}
	}
}

func usedSize(t *testing.T, path string) (size int64) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err == nil {
		err = errors.Join(db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// A page that holds something else never leads to another state. The first two
// pages are bbolt's own: of those it takes the newer one that is right.
func TestLostPagesAreNoticed(t *testing.T) {
	k := newKept(t, 90)
	path := filepath.Join(k.dir, logFile)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, refused := os.Getpagesize(), 0
	for name, other := range map[string][]byte{
		"zeros": make([]byte, page), "garbage": bytes.Repeat([]byte{0xa5, 0x5a}, page/2), "another page": content[2*page : 3*page],
	} {
		for at := 3 * page; at < len(content); at += page {
			dir := k.damaged(t, func(dir string) {
				damaged := bytes.Clone(content)
				copy(damaged[at:], other)
				overwrite(t, filepath.Join(dir, logFile), damaged)
			})
			if k.expect(t, fmt.Sprintf("page %d holds %s", at/page, name), dir) {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("no page mattered: this test proves nothing")
	}
}

// Every bit of what a session was sealed with is under a checksum.
func TestFlippedBytesAreNoticed(t *testing.T) {
	k := newKept(t, 90)
	content, err := os.ReadFile(filepath.Join(k.dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	data, err := EncodeCommand(seal("session-80"))
	if err != nil {
		t.Fatal(err)
	}
	start := bytes.LastIndex(content, data)
	if start < 0 {
		t.Fatal("the entry is not in the log")
	}
	refused := 0
	for n := range data {
		dir := k.damaged(t, func(dir string) {
			damaged := bytes.Clone(content)
			for at := start; at >= 0; at = bytes.LastIndex(damaged[:at], data) { // copies in free pages as well
				damaged[at+n] ^= 0x10
			}
			overwrite(t, filepath.Join(dir, logFile), damaged)
		})
		if k.expect(t, fmt.Sprintf("byte %d of an entry", n), dir) {
			refused++
		}
	}
	if refused != len(data) {
		t.Errorf("%d of %d flipped bytes were refused", refused, len(data))
	}
}

func TestDamagedSnapshots(t *testing.T) {
	k := newKept(t, 90)
	snapshots, err := filepath.Glob(filepath.Join(k.dir, snapshotDir, "*"))
	if err != nil || len(snapshots) != 2 {
		t.Fatalf("%d snapshots, %v", len(snapshots), err)
	}
	oldest, newest := filepath.Base(snapshots[0]), filepath.Base(snapshots[1])
	flip := func(dir, snapshot, file string) {
		path := filepath.Join(dir, snapshotDir, snapshot, file)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 0x10
		overwrite(t, path, content)
	}
	forget := func(dir string, upTo uint64) {
		store, err := openStorage(dir, hclog.NewNullLogger())
		if err == nil {
			err = errors.Join(store.logs.DeleteRange(1, upTo), store.close.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		damage  func(dir string)
		refused bool
	}{
		"newest content":              {func(dir string) { flip(dir, newest, "state.bin") }, false},
		"newest content cut":          {func(dir string) { overwrite(t, filepath.Join(dir, snapshotDir, newest, "state.bin"), nil) }, false},
		"newest description":          {func(dir string) { overwrite(t, filepath.Join(dir, snapshotDir, newest, "meta.json"), []byte("{")) }, false},
		"newest, older entries gone":  {func(dir string) { forget(dir, 10); flip(dir, newest, "state.bin") }, false},
		"newest, needed entries gone": {func(dir string) { forget(dir, 50); flip(dir, newest, "state.bin") }, true},
		"both contents":               {func(dir string) { flip(dir, newest, "state.bin"); flip(dir, oldest, "state.bin") }, true},
		"both, described by nobody":   {func(dir string) { forget(dir, 50); removeAll(t, filepath.Join(dir, snapshotDir)) }, true},
		"newest of another term": {func(dir string) {
			editFile(t, filepath.Join(dir, snapshotDir, newest, "meta.json"), `"Term":3`, `"Term":2`)
		}, true},
		"newest gone, entries as well": {func(dir string) { forget(dir, 50); removeAll(t, filepath.Join(dir, snapshotDir, newest)) }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := k.expect(t, name, k.damaged(t, test.damage)); got != test.refused {
				t.Errorf("refused: %t, want %t", got, test.refused)
			}
		})
	}
}

func overwrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func editFile(t *testing.T, path, old, replacement string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte(old)) {
		t.Fatalf("no %s in %s", old, content)
	}
	overwrite(t, path, bytes.Replace(content, []byte(old), []byte(replacement), 1))
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
