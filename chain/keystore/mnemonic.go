package keystore

import (
	"fmt"
	"strings"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/go-bip39"
)

// coinType is that of cosmos accounts (SLIP 44), which pocketd uses too.
const coinType = 118

// Range says which keys of a mnemonic are meant.
type Range struct{ Account, First, Count int }

// Mnemonic derives keys from the words in a file.
func Mnemonic(setting, path string, r Range) Source {
	return Source{setting, []string{path}, func() ([]Entry, error) {
		text, err := readFile(path)
		if err != nil {
			return nil, err
		}
		words := strings.Fields(string(text))
		if len(words) == 0 {
			return nil, fail(ReasonEmpty, "%s: holds no words", path)
		}
		seed, err := bip39.NewSeedWithErrorChecking(strings.Join(words, " "), "")
		if err != nil {
			// The error may quote a word.
			return nil, fail(ReasonMalformed, "%s: its %d words are no mnemonic: a word is not in the list, or the checksum is wrong", path, len(words))
		}
		master, chainCode := hd.ComputeMastersFromSeed(seed)
		entries := make([]Entry, 0, r.Count)
		for index := r.First; index < r.First+r.Count; index++ {
			hdPath := fmt.Sprintf("m/44'/%d'/%d'/0/%d", coinType, r.Account, index)
			secret, err := hd.DerivePrivateKeyForPath(master, chainCode, hdPath)
			if err != nil {
				return nil, fail(ReasonMalformed, "%s: derive %s: %w", path, hdPath, err)
			}
			entries = append(entries, Entry{At: path + ": " + hdPath, Secret: secret})
		}
		return entries, nil
	}}
}
