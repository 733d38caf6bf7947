package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Words that mean work left undone, or that only a machine of ours knows. They
// are put together here so that this file passes too.
var unwanted = regexp.MustCompile(`(?:^|[^.\w])(` + strings.Join([]string{
	"TO" + "DO", "FIX" + "ME", "XX" + "X",
	"not impl" + "emented", "unimpl" + "emented",
	`/wo` + `rk/`, `/root/` + `go/`, `\.\./sha` + `red`, `sha` + `red/design`,
}, "|") + `)`)

func TestNoUnwantedWords(t *testing.T) {
	for _, file := range strings.Fields(run(t, "git", "ls-files")) {
		name := filepath.Base(file)
		if name == "go.sum" || strings.HasSuffix(name, ".pb.go") || strings.Contains(file, "/testdata/") {
			continue
		}
		bz, err := os.ReadFile(filepath.Join(root(t), file))
		if os.IsNotExist(err) {
			continue // removed, but not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(bz), "\n") {
			if found := unwanted.FindStringSubmatch(line); found != nil {
				t.Errorf("%s:%d: %s", file, i+1, found[1])
			}
		}
	}
}
