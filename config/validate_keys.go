package config

import (
	"fmt"

	"github.com/cosmos/cosmos-sdk/types/bech32"
)

const (
	// addressPrefix is that of Pocket accounts.
	addressPrefix = "pokt"
	maxMnemonic   = 100_000
	maxIndex      = 1<<31 - 1 // an index that is not hardened (BIP 32)
)

func (v *validator) keys() {
	k := v.cfg.Keys
	if k.File == "" && k.Dir == "" && k.Keyring.Backend == "" && k.Age.File == "" && k.Mnemonic.File == "" {
		v.bad("keys", "needs a source: keys_file, keys_dir, keyring, age or mnemonic")
	}
	v.keyring(k.Keyring)
	v.age(k.Age)
	v.mnemonic(k.Mnemonic)
	for i, address := range k.Retired {
		prefix, _, err := bech32.DecodeAndConvert(address)
		at := fmt.Sprintf("keys.retired[%d]", i)
		switch {
		case err != nil:
			v.bad(at, "%q is not an address", address)
		case prefix != addressPrefix:
			v.bad(at, "%q has the prefix %s, must be %s", address, prefix, addressPrefix)
		}
	}
}

func (v *validator) keyring(k Keyring) {
	if k.Backend == "" {
		if k.Dir != "" || len(k.KeyNames) > 0 || k.PassphraseFile != "" || k.PassphraseEnv != "" {
			v.bad("keys.keyring.backend", "is required: file, os or test")
		}
		return
	}
	v.oneOf("keys.keyring.backend", k.Backend, "file", "os", "test")
	if k.Dir == "" && k.Backend != "os" {
		v.bad("keys.keyring.dir", "is required with backend %s", k.Backend)
	}
	if given := filled(k.PassphraseFile, k.PassphraseEnv); given > 1 || given == 0 && k.Backend == "file" {
		v.bad("keys.keyring", "needs one of passphrase_file and passphrase_env")
	}
}

func (v *validator) age(a Age) {
	given := filled(a.IdentityFile, a.PassphraseFile, a.PassphraseEnv)
	switch {
	case a.File == "" && given > 0:
		v.bad("keys.age.file", "is required")
	case a.File != "" && given != 1:
		v.bad("keys.age", "needs one of identity_file, passphrase_file and passphrase_env")
	}
}

func (v *validator) mnemonic(m Mnemonic) {
	switch {
	case m == Mnemonic{}:
	case m.File == "":
		v.bad("keys.mnemonic.file", "is required")
	case m.Count < 1 || m.Count > maxMnemonic:
		v.bad("keys.mnemonic.count", "is %d, must be from 1 to %d", m.Count, maxMnemonic)
	case m.First < 0 || m.First > maxIndex-m.Count:
		v.bad("keys.mnemonic.first", "is %d, must be from 0 to %d", m.First, maxIndex-m.Count)
	case m.Account < 0 || m.Account > maxIndex:
		v.bad("keys.mnemonic.account", "is %d, must be from 0 to %d", m.Account, maxIndex)
	}
}

// filled counts the values that are not empty.
func filled(values ...string) (n int) {
	for _, value := range values {
		if value != "" {
			n++
		}
	}
	return n
}
