package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/config"
)

const testWords = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func testSecret(n int) string {
	sum := sha256.Sum256(fmt.Append(nil, "supplier", n))
	return hex.EncodeToString(sum[:])
}

func writeSecret(t testing.TB, path string, text []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func keysYAML(from, to int) []byte {
	text := []byte("keys:\n")
	for n := from; n < to; n++ {
		text = fmt.Appendf(text, "  - %q\n", testSecret(n))
	}
	return text
}

func ageFile(t testing.TB, dir string, text []byte) config.Age {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return config.Age{
		File:         writeSecret(t, filepath.Join(dir, "keys.age"), sealed.Bytes()),
		IdentityFile: writeSecret(t, filepath.Join(dir, "identity"), []byte(identity.String())),
	}
}

// Sources of every kind go together.
func TestKeySources(t *testing.T) {
	dir := t.TempDir()
	found := keystore.Load(keySources(config.Keys{
		File:     writeSecret(t, filepath.Join(dir, "keys.yaml"), keysYAML(0, 3)),
		Dir:      filepath.Dir(writeSecret(t, filepath.Join(dir, "keys.d", "one"), []byte(testSecret(3)+"\n"))),
		Age:      ageFile(t, dir, keysYAML(4, 6)),
		Mnemonic: config.Mnemonic{File: writeSecret(t, filepath.Join(dir, "words"), []byte(testWords)), Count: 4},
	}))
	if len(found.Keys) != 10 || !found.Complete() {
		t.Errorf("%d keys, want 10: %v", len(found.Keys), found.Problems)
	}
}

// validateKeys says what is wrong, by file and key, and never a secret.
func TestValidateKeys(t *testing.T) {
	dir := t.TempDir()
	own, err := chain.NewSupplierKey(sha256.New().Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Appendf(keysYAML(0, 2), "  - %q\n  - {operator_address: %s, private_key_hex: %s}\n", testSecret(2)[:62], own.Address(), testSecret(3))
	file := writeSecret(t, filepath.Join(dir, "keys.yaml"), text)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = validateKeys(&out, config.Keys{File: file, Dir: filepath.Join(dir, "none")})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"keys.keys_file: " + file + ":4: keys[2]: is not a key of 64 hex digits",
		"keys.keys_file: " + file + ": keys[3]: is the key of pokt1",
		"keys.keys_dir: open " + filepath.Join(dir, "none"),
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no line %q in\n%v", want, err)
		}
	}
	if !strings.Contains(out.String(), "permissions 0644") {
		t.Errorf("no warning about permissions in %q", out.String())
	}
	if strings.Contains(err.Error()+out.String(), testSecret(2)[:10]) || strings.Contains(err.Error(), testSecret(3)[:10]) {
		t.Errorf("a secret shows: %v", err)
	}
}

// On SIGHUP a process reads its configuration again for the keys: what is retired, and
// which sources there are. A configuration with a problem changes nothing.
func TestKeysFollowTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "raftminer.yaml")
	configure := func(keys string) {
		t.Helper()
		writeSecret(t, path, []byte(strings.Replace(fmt.Sprintf(minimalConfig, "localhost:6379"), "{keys_file: keys.yaml}", keys, 1)))
	}
	writeSecret(t, filepath.Join(dir, "keys.yaml"), keysYAML(0, 2))
	writeSecret(t, filepath.Join(dir, "more", "key"), []byte(testSecret(2)))
	configure("{keys_file: keys.yaml, hot_reload_enabled: false}")
	c := &common{feed: chain.NewFeed(nil, zap.NewNop()), log: zap.NewNop(), registry: newRegistry()}
	store, err := keystore.Open(c.keyOptions(path, config.RoleRelayer))
	if err != nil {
		t.Fatal(err)
	}
	hangUp, ended := make(chan os.Signal), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() { defer close(ended); store.Run(ctx, hangUp, func(string, int64) bool { return false }) }()
	defer func() { stop(); <-ended }()
	address := func(n int) string {
		secret, _ := hex.DecodeString(testSecret(n))
		key, err := chain.NewSupplierKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		return key.Address()
	}
	for _, step := range []struct {
		keys string
		want map[string]bool // retired, by address
	}{
		{"{keys_file: keys.yaml, hot_reload_enabled: false, retired: [" + address(1) + "]}", map[string]bool{address(0): false, address(1): true}},
		{"{keys_file: keys.yaml, retird: []}", map[string]bool{address(0): false, address(1): true}},
		{"{keys_file: keys.yaml, keys_dir: more}", map[string]bool{address(0): false, address(1): false, address(2): false}},
		{"{keys_dir: more}", map[string]bool{address(0): true, address(1): true, address(2): false}},
	} {
		configure(step.keys)
		hangUp <- syscall.SIGHUP
		hangUp <- syscall.SIGHUP // taken when the first one is done
		if got := store.Suppliers(); !maps.Equal(got, step.want) {
			t.Errorf("%s: got %v, want %v", step.keys, got, step.want)
		}
	}
}

// BenchmarkLoadKeys reads 5,000 keys from each kind of source that needs no tool.
func BenchmarkLoadKeys(b *testing.B) {
	const many = 5000
	dir := b.TempDir()
	folder := filepath.Join(dir, "keys.d")
	for n := range many {
		writeSecret(b, filepath.Join(folder, fmt.Sprint(n)), []byte(testSecret(n)))
	}
	for name, keys := range map[string]config.Keys{
		"file":     {File: writeSecret(b, filepath.Join(dir, "keys.yaml"), keysYAML(0, many))},
		"dir":      {Dir: folder},
		"age":      {Age: ageFile(b, dir, keysYAML(0, many))},
		"mnemonic": {Mnemonic: config.Mnemonic{File: writeSecret(b, filepath.Join(dir, "words"), []byte(testWords)), Count: many}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if found := keystore.Load(keySources(keys)); len(found.Keys) != many || !found.Complete() {
					b.Fatalf("%d keys: %v", len(found.Keys), found.Problems)
				}
			}
		})
	}
}
