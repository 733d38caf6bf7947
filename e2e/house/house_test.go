package house_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/raftminer/raftminer"

// mayImport is the import table of ARCHITECTURE.md, by top-level folder. A
// package may always import others of its own folder.
var mayImport = map[string][]string{
	"chain":      {},
	"config":     {},
	"ingest":     {"chain"},
	"raftfsm":    {"chain"},
	"claims":     {"chain", "ingest", "raftfsm"},
	"relayproxy": {"chain", "ingest"},
	"cmd":        {"chain", "config", "ingest", "raftfsm", "claims", "relayproxy", "e2e"},
	"e2e":        {"chain", "config", "ingest", "raftfsm", "claims", "relayproxy"},
}

// topLevel is what may stand beside go.mod.
var topLevel = []string{
	"chain", "claims", "cmd", "config", "deploy", "docs", "e2e", "ingest", "raftfsm", "relayproxy", "scripts",
	"ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
}

type goPackage struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
	GoFiles    []string
	Dir        string
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %v: %v\n%s", name, args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(run(t, "go", "list", "-json=ImportPath,Name,Doc,Imports,GoFiles,Dir", "./...")))
	var list []goPackage
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// room is the top-level folder of one of our packages.
func room(importPath string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(importPath, module+"/"), "/")
	return name
}

func TestImportTable(t *testing.T) {
	for _, p := range packages(t) {
		allowed, known := mayImport[room(p.ImportPath)]
		if !known {
			t.Errorf("%s is in a folder that the import table does not know", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module+"/") || room(imported) == room(p.ImportPath) {
				continue
			}
			if !slices.Contains(allowed, room(imported)) {
				t.Errorf("%s imports %s, which %s may not", p.ImportPath, imported, room(p.ImportPath))
			}
		}
	}
}

// The chain application takes minutes to build and is not ours to ship.
func TestShippedBinariesDoNotLinkTheChainApplication(t *testing.T) {
	for _, binary := range []string{"./cmd/raftminer", "./cmd/raftctl"} {
		deps := strings.Fields(run(t, "go", "list", "-deps", binary))
		if slices.Contains(deps, "github.com/pokt-network/poktroll/app") {
			t.Errorf("%s links poktroll/app", binary)
		}
	}
}

func TestEveryPackageHasOneDoc(t *testing.T) {
	comment := regexp.MustCompile(`(?m)^// (Package|Command) [^\n]*\n(//[^\n]*\n)*package `)
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		if p.Doc == "" {
			t.Errorf("%s has no package doc", p.ImportPath)
		}
		docs := 0
		for _, file := range p.GoFiles {
			bz, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			docs += len(comment.FindAll(bz, -1))
		}
		if docs != 1 && !strings.Contains(p.ImportPath, "adminpb") {
			t.Errorf("%s has %d package docs, want one", p.ImportPath, docs)
		}
	}
}

func TestOnlyOneReplace(t *testing.T) {
	bz, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(bz), " => "); n != 1 {
		t.Errorf("go.mod has %d replace directives, want the one of shannon-sdk", n)
	}
}

func TestTopLevel(t *testing.T) {
	for _, file := range strings.Fields(run(t, "git", "ls-files")) {
		name, _, _ := strings.Cut(file, "/")
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			t.Errorf("%s does not belong at the top level", file)
		}
	}
}
