package config

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// keySize is the size of a secp256k1 secret.
const keySize = 32

// keysFile is the file that keys.keys_file names.
type keysFile struct {
	Keys []Secret `yaml:"keys"`
}

// LoadKeysFile reads the secrets of supplier operator keys. A file without a
// key, or with one that cannot be read, is an error as a whole: half a file
// must not look like the removal of keys.
func LoadKeysFile(path string) ([][]byte, error) {
	bz, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keys file: %w", err)
	}
	return parseKeys(path, bz)
}

func parseKeys(path string, bz []byte) ([][]byte, error) {
	var file keysFile
	d := decodeFile(path, bz, &file)
	if len(file.Keys) == 0 && len(d.problems) == 0 {
		d.problem("keys", "holds no key")
	}
	var secrets [][]byte
	for i, text := range file.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		secret, err := hex.DecodeString(strings.TrimPrefix(text.Reveal(), "0x"))
		if err != nil || len(secret) != keySize {
			if !d.wrong[at] {
				d.problem(at, "is not a key of %d hex digits", 2*keySize)
			}
			continue
		}
		secrets = append(secrets, secret)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return secrets, nil
}

// ownerOnly are the permissions of a file with secrets.
const ownerOnly = 0o600

// KeysFileWarnings is what an operator should mend although the file at path
// can be used: others can read it.
func KeysFileWarnings(path string) Problems {
	info, err := os.Stat(path)
	if err != nil {
		return nil // LoadKeysFile says so
	}
	if mode := info.Mode().Perm(); mode&^ownerOnly != 0 {
		return Problems{{File: path, Message: fmt.Sprintf("has permissions %04o, should have %04o: it holds private keys", mode, ownerOnly)}}
	}
	return nil
}
