package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	backend "github.com/99designs/keyring"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"
)

// What cosmos-sdk calls things in a keyring (crypto/keyring/keyring.go).
const (
	recordSuffix   = ".info"
	keyhashFile    = "keyhash"
	testPassphrase = "test"
)

// Keyring names a keyring of cosmos-sdk.
type Keyring struct {
	Backend    string // file, os or test
	Dir        string // that keyring-file or keyring-test is in
	AppName    string
	Names      []string // of the keys; none: all
	Passphrase Passphrase
}

// Source reads the keyring. It opens the store itself: cosmos-sdk asks a terminal
// for the passphrase, makes a keyring that is not there, and leaves keys that it
// cannot read out of its lists.
func (k Keyring) Source(setting string) Source {
	s := Source{Setting: setting, Watch: k.Passphrase.watch(), Read: k.read}
	if k.Backend != keyring.BackendOS {
		s.Watch = append(s.Watch, k.dir())
	}
	return s
}

func (k Keyring) dir() string {
	if k.Backend == keyring.BackendOS {
		return k.Dir
	}
	return filepath.Join(k.Dir, "keyring-"+k.Backend)
}

func (k Keyring) read() ([]Entry, error) {
	store, err := k.open()
	if err != nil {
		return nil, err
	}
	names := k.Names
	if len(names) == 0 {
		if names, err = recordNames(store); err != nil {
			return nil, err
		}
	}
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	ring := keyring.NewInMemoryWithKeyring(store, codec.NewProtoCodec(registry))
	entries, errs := make([]Entry, len(names)), make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(k.parallel())
	for i, name := range names {
		read := func() error { entries[i], errs[i] = readRecord(ring, name); return nil }
		if i == 0 {
			_ = read() // alone: it unlocks the store
			continue
		}
		group.Go(read)
	}
	_ = group.Wait() // the errors are in errs
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Secret == nil })
	return entries, errors.Join(errs...)
}

// parallel: each record of a file has a slow hash of the passphrase; what is behind
// os need not bear several questions at once.
func (k Keyring) parallel() int {
	if k.Backend == keyring.BackendOS {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

func (k Keyring) open() (backend.Keyring, error) {
	passphrase, err := k.Passphrase.read()
	if err != nil {
		return nil, err
	}
	cfg := backend.Config{ServiceName: k.AppName, FileDir: k.dir(), KeychainTrustApplication: true}
	switch k.Backend {
	case keyring.BackendTest:
		passphrase = testPassphrase
		cfg.AllowedBackends = []backend.BackendType{backend.FileBackend}
	case keyring.BackendFile:
		cfg.AllowedBackends = []backend.BackendType{backend.FileBackend}
		if err := checkKeyhash(filepath.Join(cfg.FileDir, keyhashFile), passphrase); err != nil {
			return nil, err
		}
	}
	cfg.FilePasswordFunc = backend.FixedStringPrompt(passphrase)
	if _, err := os.Stat(cfg.FileDir); err != nil && k.Backend != keyring.BackendOS {
		return nil, fail(ReasonUnreadable, "the keyring: %w", err)
	}
	store, err := backend.Open(cfg)
	if err != nil {
		return nil, fail(ReasonUnreadable, "open the keyring of %q: %w", k.AppName, err)
	}
	return store, nil
}

// checkKeyhash tells a wrong passphrase from a damaged record.
func checkKeyhash(path, passphrase string) error {
	hash, err := os.ReadFile(path)
	if err != nil {
		return fail(ReasonUnreadable, "the keyring: %w", err)
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(passphrase)); err != nil {
		return fail(ReasonLocked, "%s: the passphrase is not that of the keyring", filepath.Dir(path))
	}
	return nil
}

func recordNames(store backend.Keyring) (names []string, err error) {
	items, err := store.Keys()
	if err != nil {
		return nil, fail(ReasonUnreadable, "list the keyring: %w", err)
	}
	for _, item := range items {
		if name, ok := strings.CutSuffix(item, recordSuffix); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func readRecord(ring keyring.Keyring, name string) (Entry, error) {
	record, err := ring.Key(name)
	if err != nil {
		return Entry{}, fail(ReasonUnreadable, "key %q: %w", name, err)
	}
	local := record.GetLocal()
	if local == nil {
		return Entry{}, fail(ReasonMalformed, "key %q: its secret is not in the keyring, it is a key of type %s", name, record.GetType())
	}
	secret, ok := local.PrivKey.GetCachedValue().(*secp256k1.PrivKey)
	if !ok {
		return Entry{}, fail(ReasonMalformed, "key %q: is not a secp256k1 key", name)
	}
	return Entry{At: "key " + name, Secret: secret.Key}, nil
}
