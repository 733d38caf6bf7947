package config

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// keySize is the size of a secp256k1 secret.
const keySize = 32

// Key is an entry of a keys file.
type Key struct {
	Path    string // such as keys[3], or line 4
	Address string // that the file says it has; "" when it says nothing
	secret  []byte
}

// Reveal is the secret.
func (k Key) Reveal() []byte { return k.secret }

// String hides the secret.
func (k Key) String() string { return k.Path }

// GoString hides the secret from %#v.
func (k Key) GoString() string { return k.Path }

// keysFile is the YAML form of a keys file.
type keysFile struct {
	Keys []keyEntry `yaml:"keys"`
}

// keyEntry is a key alone, or with its address.
type keyEntry struct {
	Hex     Secret `yaml:"private_key_hex" short:"yes"`
	Address string `yaml:"operator_address"`
}

// LoadKeysFile reads the secrets of a file in which nothing may be wrong.
func LoadKeysFile(path string) ([][]byte, error) {
	bz, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read keys file: %w", err)
	}
	keys, problems := ParseKeys(path, bz)
	if len(keys) == 0 && len(problems) == 0 {
		problems = Problems{{File: path, Message: "holds no key"}}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	var secrets [][]byte
	for _, key := range keys {
		secrets = append(secrets, key.secret)
	}
	return secrets, nil
}

// bareLine is how the form without YAML begins: a key, or an address and a key.
var bareLine = regexp.MustCompile(`^\w+(:\w+)?$`)

// ParseKeys reads the keys in the text of a keys file, and says what is wrong with
// the rest of it.
func ParseKeys(file string, text []byte) ([]Key, Problems) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			if bareLine.MatchString(line) {
				return parseBare(file, text)
			}
			break
		}
	}
	return parseYAML(file, text)
}

func parseYAML(file string, text []byte) (keys []Key, problems Problems) {
	var content keysFile
	d := decodeFile(file, text, &content)
	for i, entry := range content.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		secret := decodeKey(entry.Hex.Reveal())
		if secret == nil {
			if !d.wrong[at] && !d.wrong[join(at, "private_key_hex")] {
				d.problem(at, "is not a key of %d hex digits", 2*keySize)
			}
			continue
		}
		keys = append(keys, Key{Path: at, Address: entry.Address, secret: secret})
	}
	return keys, d.problems.sorted()
}

// parseBare reads a key a line, after its address and a colon if it has one.
func parseBare(file string, text []byte) (keys []Key, problems Problems) {
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		address, digits, named := strings.Cut(line, ":")
		if !named {
			address, digits = "", line
		}
		secret := decodeKey(strings.TrimSpace(digits))
		if secret == nil {
			problems = append(problems, Problem{
				File: file, Position: Position{Line: number}, Message: fmt.Sprintf("is not a key of %d hex digits", 2*keySize),
			})
			continue
		}
		keys = append(keys, Key{Path: fmt.Sprintf("line %d", number), Address: address, secret: secret})
	}
	return keys, problems
}

// decodeKey is nil for what is no key.
func decodeKey(digits string) []byte {
	secret, err := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
	if err != nil || len(secret) != keySize {
		return nil
	}
	return secret
}

// ownerOnly are the permissions of a file with secrets.
const ownerOnly = 0o600

// SecretFileWarnings is what an operator should mend although the file at path
// can be used: others can read it.
func SecretFileWarnings(path string) Problems {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return nil // who reads it says so
	}
	if mode := info.Mode().Perm(); mode&^ownerOnly != 0 {
		return Problems{{File: path, Message: fmt.Sprintf("has permissions %04o, should have %04o: it holds secrets", mode, ownerOnly)}}
	}
	return nil
}
