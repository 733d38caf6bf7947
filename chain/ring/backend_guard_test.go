package ring

import (
	"os/exec"
	"strings"
	"testing"
)

func TestTheForkingBackendDoesNotBuild(t *testing.T) {
	out, err := exec.Command("go", "vet", "-tags", "ethereum_secp256k1", ".").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "forks_signature_validity") {
		t.Fatalf("got err %v and output %q, want the guard's compile error", err, out)
	}
}
