package config

import (
	"os"
	"strings"
	"testing"
)

// Every layout of docs/full-nodes.md is one that a role would start with.
func TestLayoutsOfFullNodes(t *testing.T) {
	setExampleSecrets(t)
	page, err := os.ReadFile("../docs/full-nodes.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(example), "\nchain:\n")
	_, tail, ok := strings.Cut(rest, "\nredis:\n")
	layouts := strings.Split(string(page), "```yaml\n")[1:]
	if len(layouts) < 3 || !ok {
		t.Fatalf("%d layouts, and an example whose sections were found: %t", len(layouts), ok)
	}
	for _, layout := range layouts {
		section, _, _ := strings.Cut(layout, "```")
		for _, role := range []Role{RoleRelayer, RoleMiner} {
			cfg, err := parse(exampleFile, []byte(head+"\n"+section+"\nredis:\n"+tail), role)
			if err != nil {
				t.Errorf("role %q: %v in\n%s", role, err, section)
				continue
			}
			if want := strings.Count(section, "{rpc:"); len(cfg.Chain.Nodes) != want {
				t.Errorf("%d nodes, want %d of\n%s", len(cfg.Chain.Nodes), want, section)
			}
		}
	}
}
