package relayproxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestRefusalsUseTheCodesOfPoktroll reads poktroll's error tables from its
// source: importing them would register their codes a second time in programs
// that link poktroll, and pull the stock relayer into ours.
func TestRefusalsUseTheCodesOfPoktroll(t *testing.T) {
	want := map[string]map[uint32]string{
		codespaceProxy: registeredErrors(t, "pkg/relayer/proxy/errors.go"),
		codespaceAuth:  registeredErrors(t, "pkg/relayer/relay_authenticator/errors.go"),
	}
	if len(want[codespaceProxy]) != 14 || len(want[codespaceAuth]) != 6 {
		t.Fatalf("read %d and %d codes, want 14 and 6", len(want[codespaceProxy]), len(want[codespaceAuth]))
	}
	labels := map[string]bool{}
	for reason := range reasonCount {
		a := wireForms[reason]
		if got := want[a.codespace][a.code]; got != a.description {
			t.Errorf("%s: description %q, poktroll says %q for %s %d", a.label, a.description, got, a.codespace, a.code)
		}
		if a.label == "" || labels[a.label] {
			t.Errorf("reason %d has the label %q, want one of its own", reason, a.label)
		}
		labels[a.label] = true
	}
}

// TestTheClientsMistakesCostTheSupplierNothing holds the codes against the ones
// SAGE does not charge for.
func TestTheClientsMistakesCostTheSupplierNothing(t *testing.T) {
	free := map[string]map[uint32]bool{
		codespaceProxy: {1: true, 6: true, 7: true, 11: true, 12: true, 13: true, 14: true},
		codespaceAuth:  {1: true, 2: true, 4: true},
	}
	misconfigured := map[Reason]bool{ReasonUnknownService: true, ReasonUnsupportedTransport: true, ReasonForeignSupplier: true}
	for reason := range reasonCount {
		a := wireForms[reason]
		if !a.ours && !misconfigured[reason] && !free[a.codespace][a.code] {
			t.Errorf("%s is the client's mistake, but %s %d is charged", a.label, a.codespace, a.code)
		}
	}
}

// registeredErrors reads the sdkerrors.Register(codespace, code, text) calls of
// a poktroll source file.
func registeredErrors(t *testing.T, file string) map[uint32]string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pokt-network/poktroll").Output()
	if err != nil {
		t.Fatalf("find poktroll: %v", err)
	}
	path := filepath.Join(strings.TrimSpace(string(dir)), file)
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatalf("parse %s: %v", path, err)
	}
	out := map[uint32]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 3 {
			return true
		}
		code, _ := strconv.ParseUint(call.Args[1].(*ast.BasicLit).Value, 10, 32)
		text, _ := strconv.Unquote(call.Args[2].(*ast.BasicLit).Value)
		out[uint32(code)] = text
		return true
	})
	return out
}
