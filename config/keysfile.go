package config

import (
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// keySize is the size of a secp256k1 secret.
const keySize = 32

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
	file, err := parser.ParseBytes(bz, 0)
	if err != nil {
		return nil, Problems{{File: path, Message: firstLine(yaml.FormatError(err, false, false))}}
	}
	d := &decoder{file: path, lines: make(map[string]int)}
	var content struct {
		Keys []string `yaml:"keys"`
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			d.decode(doc.Body, reflect.ValueOf(&content).Elem(), "")
		}
	}
	var secrets [][]byte
	for i, text := range content.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		secret, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil || len(secret) != keySize {
			d.problem(d.lines[at], at, "is not a key of %d hex digits", 2*keySize)
			continue
		}
		secrets = append(secrets, secret)
	}
	if len(content.Keys) == 0 {
		d.problem(0, "keys", "holds no key")
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return secrets, nil
}

// firstLine keeps secrets out of messages that quote the file.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
