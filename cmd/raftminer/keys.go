package main

import (
	"context"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/oklog/run"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/relayproxy"
)

// keySources are the places that a configuration names.
func keySources(k config.Keys) (sources []keystore.Source) {
	if k.File != "" {
		sources = append(sources, keystore.File("keys.keys_file", k.File, parseKeys))
	}
	if k.Dir != "" {
		sources = append(sources, keystore.Dir("keys.keys_dir", k.Dir, parseKeys))
	}
	if r := k.Keyring; r.Backend != "" {
		sources = append(sources, keystore.Keyring{
			Backend: r.Backend, Dir: r.Dir, AppName: r.AppName, Names: r.KeyNames,
			Passphrase: keystore.Passphrase{File: r.PassphraseFile, Env: r.PassphraseEnv},
		}.Source("keys.keyring"))
	}
	if a := k.Age; a.File != "" {
		passphrase := keystore.Passphrase{File: a.PassphraseFile, Env: a.PassphraseEnv}
		sources = append(sources, keystore.Age("keys.age", a.File, a.IdentityFile, passphrase, parseKeys))
	}
	if m := k.Mnemonic; m.File != "" {
		sources = append(sources, keystore.Mnemonic("keys.mnemonic", m.File, keystore.Range{Account: m.Account, First: m.First, Count: m.Count}))
	}
	return sources
}

func parseKeys(file string, text []byte) (entries []keystore.Entry, wrong []error) {
	keys, problems := config.ParseKeys(file, text)
	for _, k := range keys {
		entries = append(entries, keystore.Entry{At: k.Path, Address: k.Address, Secret: k.Reveal()})
	}
	for _, p := range problems {
		wrong = append(wrong, config.Problems{p})
	}
	return entries, wrong
}

// keyFileWarnings are about files with secrets that others can read.
func keyFileWarnings(k config.Keys) (warnings config.Problems) {
	for _, path := range []string{
		k.File, k.Keyring.PassphraseFile, k.Age.IdentityFile, k.Age.PassphraseFile, k.Mnemonic.File,
	} {
		if path != "" {
			warnings = append(warnings, config.SecretFileWarnings(path)...)
		}
	}
	return warnings
}

// keySettings reads what the configuration at path says about keys now.
func keySettings(path string, role config.Role) (keystore.Settings, error) {
	cfg, err := config.Load(path, role)
	if err != nil {
		return keystore.Settings{}, err
	}
	return keystore.Settings{
		Sources: keySources(cfg.Keys), Retired: cfg.Keys.Retired, Watch: []string{path}, Follow: cfg.Keys.HotReload,
	}, nil
}

func (c *common) keyOptions(path string, role config.Role) keystore.Options {
	return keystore.Options{
		Settings: func() (keystore.Settings, error) { return keySettings(path, role) },
		Height:   func() int64 { return c.feed.Latest().Height },
		Metrics:  keystore.NewMetrics(c.registry), Log: c.log,
	}
}

// followKeys adds what reads the keys again when they change and on SIGHUP, and what
// looks their suppliers up on chain: now and then, and when blocks say so.
func (c *common) followKeys(group *run.Group, over keystore.Over) {
	ctx, stop := context.WithCancel(context.Background())
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	group.Add(
		func() error { c.keys.Run(ctx, hangUp, over); return nil },
		func(error) { signal.Stop(hangUp); stop() })
	checker := keystore.NewChecker(c.keys, c.chain, slices.Collect(maps.Keys(c.cfg.Services)))
	group.Add(
		func() error { checker.Run(ctx); return nil },
		func(error) { stop() })
	events := chain.NewEvents(c.chain, c.feed, c.log, checker.Heed)
	group.Add(
		func() error { return events.Run(ctx) },
		func(error) { stop() })
}

// pastWindow says that the session in which a key was retired is past one of its
// windows. While the chain cannot tell, it is not.
func (c *common) pastWindow(retired int64, which func(chain.Windows) int64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	windows, err := c.chain.WindowsAt(ctx, retired)
	return err == nil && c.feed.Latest().Height > which(windows)
}

// served: a relayer needs a key until no relay of its last session is served.
func (c *common) served(_ string, retired int64) bool {
	return c.pastWindow(retired, func(w chain.Windows) int64 { return w.ClaimOpen })
}

// paid: a miner needs a key until its last session is settled, and no other is open.
func (m *miner) paid(supplier string, retired int64) bool {
	if !m.pastWindow(retired, func(w chain.Windows) int64 { return w.Settlement }) {
		return false
	}
	open := false
	m.node.View(func(state *raftfsm.State) {
		for s := range state.Sessions() {
			open = open || s.Ref.Supplier == supplier && !s.Stage.Terminal()
		}
	})
	return !open
}

// signers are the keys as a relayer sees them.
type signers struct{ *keystore.Store }

// Signer implements relayproxy.Signers.
func (s signers) Signer(supplier string) (relayproxy.Signer, int64, bool) {
	key, until, ok := s.Serving(supplier)
	return key, until, ok
}
