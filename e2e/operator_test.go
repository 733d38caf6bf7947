package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// checkOperator looks at a running network with an operator's tools.
func checkOperator(t *testing.T, ctx context.Context, n *network) {
	t.Helper()
	manifest := n.Manifest()
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(manifest.Miners, manifest.Relayers...) {
		checkMetricsAreDocumented(t, ctx, p, string(doc))
	}
	checkRaftctl(t, ctx, n)
	checkInspection(t, ctx, n)
	checkBundle(t, ctx, n)
}

// checkInspection: what is in the log is shown, and the members agree on it.
func checkInspection(t *testing.T, ctx context.Context, n *network) {
	t.Helper()
	var verdicts []struct {
		ID      string `json:"id"`
		Verdict string `json:"verdict"`
	}
	if err := json.Unmarshal(raftctl(t, ctx, n, "verify", "-o", "json"), &verdicts); err != nil || len(verdicts) != 3 {
		t.Errorf("verify: %+v, %v", verdicts, err)
	}
	for _, v := range verdicts {
		if v.Verdict != "equal" {
			t.Errorf("verify: %s is %s", v.ID, v.Verdict)
		}
	}
	var sessions []struct {
		Supplier  string `json:"supplier"`
		SessionID string `json:"session_id"`
	}
	if err := json.Unmarshal(raftctl(t, ctx, n, "sessions", "-o", "json"), &sessions); err != nil || len(sessions) == 0 {
		t.Fatalf("sessions: %+v, %v", sessions, err)
	}
	raftctl(t, ctx, n, "session", sessions[0].Supplier+"/"+sessions[0].SessionID)
	for _, verb := range []string{"claims", "bench"} {
		if out := raftctl(t, ctx, n, verb, "-o", "csv"); bytes.Count(out, []byte("\n")) < 2 {
			t.Errorf("%s: %s", verb, out)
		}
	}
}

// checkBundle: support gets to see everything but what is secret.
func checkBundle(t *testing.T, ctx context.Context, n *network) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	raftctl(t, ctx, n, "debug", "bundle", file)
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	manifest := n.Manifest()
	for _, account := range append(manifest.Suppliers, manifest.Applications...) {
		if bytes.Contains(bytes.ToLower(content), []byte(strings.ToLower(account.PrivateKey))) {
			t.Errorf("the bundle has the key of %s", account.Name)
		}
	}
	for _, want := range []string{"ha_miner_", "goroutine ", `"kind":"Seal"`, `"config_hash"`} {
		if !bytes.Contains(content, []byte(want)) {
			t.Errorf("the bundle lacks %s", want)
		}
	}
}

// raftctl runs the real binary, which must succeed.
func raftctl(t *testing.T, ctx context.Context, n *network, args ...string) []byte {
	t.Helper()
	for _, miner := range n.Manifest().Miners {
		args = append(args, "--addr", miner.AdminAddr)
	}
	cmd := exec.CommandContext(ctx, binary(t, "raftctl"), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("raftctl %v: %v", args, err)
	}
	return out
}

// checkMetricsAreDocumented: everybody who reads a metric name finds it
// explained, and no label can grow without bound.
func checkMetricsAreDocumented(t *testing.T, ctx context.Context, p devnet.ManifestProcess, doc string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.MetricsURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines, found := bufio.NewScanner(res.Body), 0
	for lines.Scan() {
		name, isType := strings.CutPrefix(lines.Text(), "# TYPE ha_")
		if isType {
			found++
			name, _, _ = strings.Cut("ha_"+name, " ")
			if !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("docs/metrics.md does not name %s of %s", name, p.Name)
			}
		}
		for _, label := range []string{"session", "height", "application", "supplier"} {
			if strings.Contains(lines.Text(), label+`="`) || strings.Contains(lines.Text(), label+`_id="`) {
				t.Errorf("%s: unbounded label in %s", p.Name, lines.Text())
			}
		}
	}
	if found == 0 {
		t.Errorf("%s has no metrics of ours", p.Name)
	}
}

// checkRaftctl hands leadership over and back, with the real binary.
func checkRaftctl(t *testing.T, ctx context.Context, n *network) {
	t.Helper()
	var members []struct {
		ID     string `json:"id"`
		Leader bool   `json:"leader"`
	}
	if err := json.Unmarshal(raftctl(t, ctx, n, "members", "-o", "json"), &members); err != nil || len(members) != 3 {
		t.Fatalf("got members %+v, %v", members, err)
	}
	successor := members[0].ID
	if members[0].Leader {
		successor = members[1].ID
	}
	var after struct {
		Leader string `json:"leader_id"`
		Epoch  string `json:"epoch"`
	}
	if err := json.Unmarshal(raftctl(t, ctx, n, "transfer-leader", successor, "-o", "json"), &after); err != nil || after.Leader != successor || after.Epoch == "" {
		t.Errorf("after the transfer to %s: %+v, %v", successor, after, err)
	}
	var status struct {
		Leader   string         `json:"leader_id"`
		Sessions map[string]int `json:"sessions"`
	}
	if err := json.Unmarshal(raftctl(t, ctx, n, "status", "-o", "json"), &status); err != nil || status.Leader != successor {
		t.Errorf("status: %+v, %v", status, err)
	}
}

func TestOperatorConfigValidate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "raftminer.yaml")
	content := "chain:\n  id: x\n  nodes: []\nredis:\n  ulr: redis://localhost\nlogging: {level: loud}\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary(t, "raftminer"), "config", "validate", file).CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 5 {
		t.Errorf("got %v, want exit code 5\n%s", err, out)
	}
	for _, want := range []string{
		file + ":3: chain.nodes: needs at least one full node",
		file + `:5: redis.ulr: unknown key, did you mean "url"?`,
		file + `:6: logging.level: "loud" is not one of`,
		"keys: needs a source: keys_file, keys_dir, keyring, age or mnemonic",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
}
