package filewatch

import (
	"os"
	"path/filepath"
	"testing"
)

// look looks twice: what has changed must be calm.
func look(w *Watcher, paths ...string) bool {
	first := w.Changed(paths)
	return w.Changed(paths) || first
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChanged(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "one")
	var w Watcher
	w.Read([]string{file})
	for _, step := range []struct {
		name   string
		change func()
		want   bool
	}{
		{"nothing", func() {}, false},
		{"longer", func() { write(t, file, "one and two") }, true},
		{"nothing since", func() {}, false},
		{"gone", func() { _ = os.Remove(file) }, true},
		{"there again", func() { write(t, file, "one and two") }, true},
		{"mode", func() { _ = os.Chmod(file, 0o640) }, true},
		{"could not be read", w.Again, true},
		{"and now it was", func() {}, false},
	} {
		step.change()
		if got := look(&w, file); got != step.want {
			t.Errorf("%s: changed is %v, want %v", step.name, got, step.want)
		}
	}
}

// A file that is being written is left alone until nobody touches it any more.
func TestChangedWaitsForTheWriter(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	var w Watcher
	w.Read([]string{file})
	text := ""
	for range 5 {
		text += "more"
		write(t, file, text)
		if w.Changed([]string{file}) {
			t.Fatal("taken for changed while it is written")
		}
	}
	if !w.Changed([]string{file}) {
		t.Error("not taken for changed when it is done")
	}
}

// Kubernetes swaps a directory that the files are links into.
func TestChangedSeesASwappedSecret(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "key"), text)
		if err := os.Symlink(version, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", "a")
	if err := os.Symlink(filepath.Join("..data", "key"), filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	var file, whole Watcher
	file.Read([]string{filepath.Join(dir, "key")})
	whole.Read([]string{dir})
	publish("..2", "b")
	if !look(&file, filepath.Join(dir, "key")) || !look(&whole, dir) {
		t.Error("a swap was not seen")
	}
	if names, err := Visible(dir); err != nil || len(names) != 1 || names[0] != "key" {
		t.Errorf("the files are %v, %v", names, err)
	}
}
