package house_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// Decisions are numbered, each number once and without a gap.
func TestDecisionsAreNumbered(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "docs/adr/*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	slices.Sort(files)
	for i, file := range files {
		if got, want := filepath.Base(file)[:5], fmt.Sprintf("%04d-", i+1); got != want {
			t.Errorf("%s: number %s, want %s", filepath.Base(file), got, want)
		}
	}
}
