package keystore

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
)

const words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

type loadCase struct {
	source  func(t *testing.T, dir string) Source
	keys    []int // by number
	count   int   // or how many
	reasons []Reason
	says    string // part of the first problem
}

func (c loadCase) run(t *testing.T) {
	l := Load([]Source{c.source(t, t.TempDir())})
	want := addresses(t, c.keys...)
	if got := len(l.Keys); c.keys == nil && got != c.count {
		t.Errorf("%d keys, want %d", got, c.count)
	}
	for address := range l.Keys {
		if c.keys != nil && !want[address] {
			t.Errorf("unexpected key %s", address)
		}
		delete(want, address)
	}
	if len(want) > 0 {
		t.Errorf("missing keys: %v", slices.Sorted(maps.Keys(want)))
	}
	if got := reasonsOf(t, l, digits(1)[:20], "hush", "abandon", "AGE-SECRET"); !slices.Equal(got, c.reasons) {
		t.Errorf("problems %v, want %v: %v", got, c.reasons, l.Problems)
	}
	if len(l.Problems) > 0 && !strings.Contains(l.Problems[0].Error(), c.says) {
		t.Errorf("got %q, want %q", l.Problems[0], c.says)
	}
	if l.Complete() != (c.reasons == nil) {
		t.Errorf("complete: %t", l.Complete())
	}
}

func TestFiles(t *testing.T) {
	file := func(text string) func(*testing.T, string) Source {
		return func(t *testing.T, dir string) Source {
			return File("keys.keys_file", write(t, filepath.Join(dir, "k"), text), parseLines)
		}
	}
	folder := func(files map[string]string) func(*testing.T, string) Source {
		return func(t *testing.T, dir string) Source {
			for name, text := range files {
				write(t, filepath.Join(dir, name), text)
			}
			return Dir("keys.keys_dir", dir, parseLines)
		}
	}
	for name, test := range map[string]loadCase{
		"two keys":      {source: file(lines(1, 2)), keys: []int{1, 2}},
		"half a key":    {source: file(lines(1, 2) + digits(3)[:30]), keys: []int{1, 2}, reasons: []Reason{ReasonMalformed}, says: "k:3: is not a key"},
		"emptied":       {source: file(""), reasons: []Reason{ReasonEmpty}, says: "k: holds no key"},
		"zero":          {source: file(strings.Repeat("0", 64)), reasons: []Reason{ReasonMalformed}, says: "line 1"},
		"no file":       {source: func(_ *testing.T, dir string) Source { return File("keys.keys_file", dir+"/none", parseLines) }, reasons: []Reason{ReasonUnreadable}, says: "keys.keys_file: open "},
		"folder":        {source: folder(map[string]string{"a": lines(1), "b": lines(2), ".hidden": "junk", "..data/a": "junk"}), keys: []int{1, 2}},
		"folder of one": {source: folder(map[string]string{"a": lines(1), "b": "", "c": "x"}), keys: []int{1}, reasons: []Reason{ReasonEmpty, ReasonMalformed}, says: "b: holds no key"},
		"empty folder":  {source: folder(nil), reasons: []Reason{ReasonEmpty}, says: "keys.keys_dir: holds no key"},
		"no folder":     {source: func(_ *testing.T, dir string) Source { return Dir("keys.keys_dir", dir+"/none", parseLines) }, reasons: []Reason{ReasonUnreadable}},
		"of another": {source: func(*testing.T, string) Source {
			return listed(Entry{At: "keys[0]", Address: "cosmos1x", Secret: secret(1)})
		}, reasons: []Reason{ReasonForeign}, says: `not of "cosmos1x"`},
		"with its own": {source: func(t *testing.T, _ string) Source {
			return listed(Entry{At: "keys[0]", Address: addressOf(t, 1), Secret: secret(1)})
		}, keys: []int{1}},
		"same key twice": {source: file(lines(1, 1)), keys: []int{1}},
	} {
		t.Run(name, test.run)
	}
}

// listed is a source that needs no file.
func listed(entries ...Entry) Source {
	return Source{Setting: "list", Read: func() ([]Entry, error) { return entries, nil }}
}

func TestAKeyInTwoPlacesIsOneKeyAndAWarning(t *testing.T) {
	dir := t.TempDir()
	l := Load([]Source{
		File("keys.keys_file", write(t, filepath.Join(dir, "k"), lines(1, 2)), parseLines),
		File("keys.age", write(t, filepath.Join(dir, "l"), lines(2, 3)), parseLines),
	})
	if len(l.Keys) != 3 || !l.Complete() || len(l.Twice) != 1 {
		t.Fatalf("%d keys, problems %v, twice %v", len(l.Keys), l.Problems, l.Twice)
	}
	for _, part := range []string{addressOf(t, 2), "keys.keys_file: ", "keys.age: ", "line 2", "line 1"} {
		if !strings.Contains(l.Twice[0], part) {
			t.Errorf("%q lacks %q", l.Twice[0], part)
		}
	}
}

func TestMnemonic(t *testing.T) {
	source := func(text string, r Range) func(*testing.T, string) Source {
		return func(t *testing.T, dir string) Source {
			return Mnemonic("keys.mnemonic", write(t, filepath.Join(dir, "m"), text), r)
		}
	}
	for name, test := range map[string]loadCase{
		"three":          {source: source("  "+strings.ReplaceAll(words, " ", "\n")+"\n", Range{0, 5, 3}), count: 3},
		"wrong checksum": {source: source(strings.Replace(words, "about", "abandon", 1), Range{0, 0, 1}), reasons: []Reason{ReasonMalformed}, says: "its 12 words are no mnemonic"},
		"no word":        {source: source("\n", Range{0, 0, 1}), reasons: []Reason{ReasonEmpty}},
		"no file":        {source: func(_ *testing.T, dir string) Source { return Mnemonic("keys.mnemonic", dir+"/none", Range{0, 0, 1}) }, reasons: []Reason{ReasonUnreadable}},
	} {
		t.Run(name, test.run)
	}
	// The keys are those that a keyring of cosmos-sdk derives.
	l := Load([]Source{source(words, Range{2, 7, 2})(t, t.TempDir())})
	for _, index := range []uint32{7, 8} {
		want, err := hd.Secp256k1.Derive()(words, "", hd.CreateHDPath(118, 2, index).String())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := Load([]Source{listed(Entry{Secret: want})}).Keys[only(t, want)]; !ok || l.Keys[only(t, want)] == nil {
			t.Errorf("no key for index %d", index)
		}
	}
}

// only is the address of a secret.
func only(t *testing.T, secret []byte) string {
	t.Helper()
	for address := range Load([]Source{listed(Entry{Secret: secret})}).Keys {
		return address
	}
	t.Fatal("no key")
	return ""
}

func encrypt(t *testing.T, text string, armored bool, to age.Recipient) string {
	t.Helper()
	var out bytes.Buffer
	seal := func(w interface{ Write([]byte) (int, error) }) {
		in, err := age.Encrypt(w, to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !armored {
		seal(&out)
		return out.String()
	}
	w := armor.NewWriter(&out)
	seal(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAge(t *testing.T) {
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	byPassphrase, err := age.NewScryptRecipient("hush hush")
	if err != nil {
		t.Fatal(err)
	}
	byPassphrase.SetWorkFactor(10)
	t.Setenv("TEST_AGE", "hush hush")
	t.Setenv("TEST_AGE_WRONG", "hush")
	source := func(text, identity string, passphrase Passphrase) func(*testing.T, string) Source {
		return func(t *testing.T, dir string) Source {
			file := write(t, filepath.Join(dir, "k.age"), text)
			if identity != "" {
				identity = write(t, filepath.Join(dir, "id"), identity+"\n")
			}
			if passphrase.File != "" {
				passphrase.File = write(t, filepath.Join(dir, "pass"), passphrase.File)
			}
			return Age("keys.age", file, identity, passphrase, parseLines)
		}
	}
	toMe, none := encrypt(t, lines(1, 2), false, mine.Recipient()), Passphrase{}
	withPass := encrypt(t, lines(1), false, byPassphrase)
	for name, test := range map[string]loadCase{
		"identity":              {source: source(toMe, mine.String(), none), keys: []int{1, 2}},
		"armored":               {source: source(encrypt(t, lines(1), true, mine.Recipient()), mine.String(), none), keys: []int{1}},
		"passphrase":            {source: source(withPass, "", Passphrase{Env: "TEST_AGE"}), keys: []int{1}},
		"passphrase file":       {source: source(withPass, "", Passphrase{File: "hush hush\n"}), keys: []int{1}},
		"empty passphrase file": {source: source(withPass, "", Passphrase{File: "\n"}), reasons: []Reason{ReasonLocked}, says: "is empty"},
		"wrong passphrase":      {source: source(withPass, "", Passphrase{Env: "TEST_AGE_WRONG"}), reasons: []Reason{ReasonLocked}, says: "another passphrase"},
		"unset passphrase":      {source: source(withPass, "", Passphrase{Env: "TEST_AGE_UNSET"}), reasons: []Reason{ReasonLocked}, says: "TEST_AGE_UNSET"},
		"to somebody else":      {source: source(toMe, other.String(), none), reasons: []Reason{ReasonLocked}, says: "somebody else"},
		"no identity":           {source: source(toMe, "AGE-SECRET-KEY-1HALF", none), reasons: []Reason{ReasonLocked}, says: "id: is not a file of age identities"},
		"cut off":               {source: source(toMe[:len(toMe)-9], mine.String(), none), reasons: []Reason{ReasonMalformed}, says: "cut off"},
		"header cut off":        {source: source(toMe[:60], mine.String(), none), reasons: []Reason{ReasonMalformed}, says: "k.age"},
		"not encrypted":         {source: source(lines(1), mine.String(), none), reasons: []Reason{ReasonMalformed}, says: "k.age"},
		"emptied":               {source: source("", mine.String(), none), reasons: []Reason{ReasonEmpty}},
		"empty inside":          {source: source(encrypt(t, "", false, mine.Recipient()), mine.String(), none), reasons: []Reason{ReasonEmpty}},
	} {
		t.Run(name, test.run)
	}
}

// makeKeyring has the keys k1, k2 and so on.
func makeKeyring(t testing.TB, backend, dir, passphrase string, count int) {
	t.Helper()
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	ring, err := keyring.New("pocket", backend, dir, strings.NewReader(passphrase+"\n"+passphrase+"\n"), codec.NewProtoCodec(registry))
	if err != nil {
		t.Fatal(err)
	}
	for n := range count {
		if err := ring.ImportPrivKeyHex(fmt.Sprint("k", n+1), digits(n+1), "secp256k1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyring(t *testing.T) {
	const passphrase = "hush hush"
	t.Setenv("TEST_KEYRING", passphrase)
	t.Setenv("TEST_KEYRING_WRONG", "hush hushed")
	made := t.TempDir() // once: its hashes are slow
	makeKeyring(t, "test", made, passphrase, 2)
	makeKeyring(t, "file", made, passphrase, 2)
	source := func(backend string, k Keyring, damage ...string) func(*testing.T, string) Source {
		return func(t *testing.T, dir string) Source {
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			for _, name := range damage {
				write(t, filepath.Join(dir, "keyring-"+backend, name), "half")
			}
			k.Backend, k.Dir, k.AppName = backend, dir, "pocket"
			return k.Source("keys.keyring")
		}
	}
	right := Passphrase{Env: "TEST_KEYRING"}
	for name, test := range map[string]loadCase{
		"test":          {source: source("test", Keyring{}), keys: []int{1, 2}},
		"file":          {source: source("file", Keyring{Passphrase: right}), keys: []int{1, 2}},
		"some":          {source: source("file", Keyring{Passphrase: right, Names: []string{"k2"}}), keys: []int{2}},
		"unknown name":  {source: source("test", Keyring{Names: []string{"k2", "k3"}}), keys: []int{2}, reasons: []Reason{ReasonUnreadable}, says: `key "k3"`},
		"wrong":         {source: source("file", Keyring{Passphrase: Passphrase{Env: "TEST_KEYRING_WRONG"}}), reasons: []Reason{ReasonLocked}, says: "the passphrase is not that of the keyring"},
		"half a record": {source: source("file", Keyring{Passphrase: right}, "k1.info"), keys: []int{2}, reasons: []Reason{ReasonUnreadable}, says: `key "k1"`},
		"no keyring": {source: func(_ *testing.T, dir string) Source {
			return Keyring{Backend: "test", Dir: dir}.Source("keys.keyring")
		}, reasons: []Reason{ReasonUnreadable}},
		"no file keyring": {source: func(_ *testing.T, dir string) Source {
			return Keyring{Backend: "file", Dir: dir, Passphrase: right}.Source("keys.keyring")
		}, reasons: []Reason{ReasonUnreadable}},
	} {
		t.Run(name, test.run)
	}
	dir := t.TempDir()
	Load([]Source{Keyring{Backend: "test", Dir: dir}.Source("keys.keyring")})
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("reading a keyring that is not there made %v", left)
	}
}

// BenchmarkKeyring is about what a record of a file keyring costs.
func BenchmarkKeyring(b *testing.B) {
	b.Setenv("TEST_KEYRING", "hush hush")
	const many = 100
	dir := b.TempDir()
	makeKeyring(b, "file", dir, "hush hush", many)
	source := Keyring{Backend: "file", Dir: dir, AppName: "pocket", Passphrase: Passphrase{Env: "TEST_KEYRING"}}.Source("keys.keyring")
	for b.Loop() {
		if l := Load([]Source{source}); len(l.Keys) != many {
			b.Fatal(l.Problems)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(many*b.N), "us/key")
}
