package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

var (
	// ErrNotArchived: no such tree is here.
	ErrNotArchived = errors.New("tree is not archived here")
	// ErrIncomplete: the leaves at hand do not make the sealed root.
	ErrIncomplete = errors.New("leaves do not make the sealed root")
	// ErrCorrupt: the file is not what was written.
	ErrCorrupt = errors.New("archive file is corrupt")
)

// Tree is a sealed tree.
type Tree struct {
	Ref    chain.SessionRef `cbor:"1,keyasint"`
	Root   []byte           `cbor:"2,keyasint"`
	Count  uint64           `cbor:"3,keyasint"` // relays
	Weight uint64           `cbor:"4,keyasint"` // compute units of each
}

// Leaves are the relays of a tree in any order, perhaps some of them twice.
type Leaves = iter.Seq2[[]byte, error]

const (
	suffix    = ".leaves"
	temporary = ".tmp"
)

// Archive is a directory of trees. It is safe for concurrent use, of different
// trees at least.
type Archive struct{ dir string }

// Open makes the directory if need be, and removes what an earlier process left
// unfinished.
func Open(dir string) (*Archive, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	unfinished, err := filepath.Glob(filepath.Join(dir, "*"+temporary))
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	for _, path := range unfinished {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("open archive: %w", err)
		}
	}
	return &Archive{dir: dir}, nil
}

// path escapes the names, so that none of them leads out of the directory.
func (a *Archive) path(key chain.SessionKey) string {
	return filepath.Join(a.dir, url.QueryEscape(key.Supplier)+"_"+url.QueryEscape(key.SessionID)+suffix)
}

// Write makes leaves durable: it returns nil once they are synced to disk, were
// read back, and made the root of t again. An archived tree is left as it is.
func (a *Archive) Write(t Tree, leaves Leaves) error {
	if a.Has(t.Ref.Key(), t.Root) {
		return nil
	}
	path := a.path(t.Ref.Key())
	err := write(path+temporary, t, leaves)
	if err == nil {
		_, err = read(path+temporary, t.Root)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("archive session %s of %s: %w", t.Ref.SessionID, t.Ref.Supplier, err), discard(path+temporary))
	}
	if err := os.Rename(path+temporary, path); err != nil {
		return fmt.Errorf("archive session %s of %s: %w", t.Ref.SessionID, t.Ref.Supplier, err)
	}
	return syncDir(a.dir)
}

// Has reports whether the tree with that root was archived.
func (a *Archive) Has(key chain.SessionKey, root []byte) bool {
	t, err := readTree(a.path(key))
	return err == nil && bytes.Equal(t.Root, root)
}

// Prove marshals the proof of the leaf closest to path in an archived tree.
func (a *Archive) Prove(ctx context.Context, key chain.SessionKey, root, path []byte) ([]byte, error) {
	nodes, err := read(a.path(key), root)
	if err != nil {
		return nil, fmt.Errorf("prove session %s of %s from the archive: %w", key.SessionID, key.Supplier, err)
	}
	return sessiontree.Prove(ctx, nodes, root, path)
}

// Remove drops a tree. One that is not there is no error.
func (a *Archive) Remove(key chain.SessionKey) error { return discard(a.path(key)) }

// Entry is an archived tree in a list.
type Entry struct {
	Key chain.SessionKey
	fs.FileInfo
}

// List is every archived tree, by file name.
func (a *Archive) List() ([]Entry, error) {
	files, err := os.ReadDir(a.dir)
	if err != nil {
		return nil, fmt.Errorf("list archive: %w", err)
	}
	var entries []Entry
	for _, f := range files {
		key, ok := keyOf(f.Name())
		if !ok {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list archive: %w", err)
		}
		entries = append(entries, Entry{Key: key, FileInfo: info})
	}
	return entries, nil
}

// keyOf is the inverse of path.
func keyOf(name string) (chain.SessionKey, bool) {
	name, ok := strings.CutSuffix(name, suffix)
	supplier, session, found := strings.Cut(name, "_")
	supplier, errSupplier := url.QueryUnescape(supplier)
	session, errSession := url.QueryUnescape(session)
	return chain.SessionKey{Supplier: supplier, SessionID: session}, ok && found && errSupplier == nil && errSession == nil
}

func discard(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
