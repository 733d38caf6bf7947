package keystore

import (
	"bytes"
	"errors"
	"io"
	"os"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// Age is a keys file that age encrypted, to an identity or with a passphrase.
func Age(setting, path, identityFile string, passphrase Passphrase, parse Parser) Source {
	watch := append(passphrase.watch(), path)
	if identityFile != "" {
		watch = append(watch, identityFile)
	}
	return Source{setting, watch, func() ([]Entry, error) {
		sealed, err := readFile(path)
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(sealed)) == 0 {
			return nil, fail(ReasonEmpty, "%s: is empty", path)
		}
		identities, err := ageIdentities(identityFile, passphrase)
		if err != nil {
			return nil, err
		}
		text, err := ageOpen(path, sealed, identities)
		if err != nil {
			return nil, err
		}
		return parseKeys(path, text, parse)
	}}
}

func ageIdentities(file string, passphrase Passphrase) ([]age.Identity, error) {
	if file == "" {
		text, err := passphrase.read()
		if err != nil {
			return nil, err
		}
		identity, err := age.NewScryptIdentity(text)
		if err != nil {
			return nil, fail(ReasonLocked, "the passphrase cannot be used: %w", err)
		}
		return []age.Identity{identity}, nil
	}
	bz, err := os.ReadFile(file)
	if err != nil {
		return nil, fail(ReasonLocked, "the identities: %w", err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(bz))
	if err != nil {
		// The error quotes the line, which may hold a secret.
		return nil, fail(ReasonLocked, "%s: is not a file of age identities", file)
	}
	return identities, nil
}

func ageOpen(path string, sealed []byte, identities []age.Identity) ([]byte, error) {
	var in io.Reader = bytes.NewReader(sealed)
	if bytes.HasPrefix(bytes.TrimSpace(sealed), []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	plain, err := age.Decrypt(in, identities...)
	if wrong := new(age.NoIdentityMatchError); errors.As(err, &wrong) {
		return nil, fail(ReasonLocked, "%s: is encrypted to somebody else, or with another passphrase", path)
	}
	if err != nil {
		// The error quotes the file, which may be keys that are not encrypted.
		return nil, fail(ReasonMalformed, "%s: is not a file that age encrypted, or cut off", path)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		return nil, fail(ReasonMalformed, "%s: is cut off or damaged: %w", path, err)
	}
	return text, nil
}
