package keystore

import (
	"errors"
	"path/filepath"

	"github.com/raftminer/raftminer/chain/filewatch"
)

// File is a keys file.
func File(setting, path string, parse Parser) Source {
	return Source{setting, []string{path}, func() ([]Entry, error) { return readKeys(path, parse) }}
}

// Dir is a directory of keys files.
func Dir(setting, dir string, parse Parser) Source {
	return Source{setting, []string{dir}, func() ([]Entry, error) {
		names, err := filewatch.Visible(dir)
		if err != nil {
			return nil, fail(ReasonUnreadable, "%w", err)
		}
		var all []Entry
		var errs []error
		for _, name := range names {
			keys, err := readKeys(filepath.Join(dir, name), parse)
			all, errs = append(all, keys...), append(errs, err)
		}
		return all, errors.Join(errs...)
	}}
}

func readKeys(path string, parse Parser) ([]Entry, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parseKeys(path, text, parse)
}

func parseKeys(path string, text []byte, parse Parser) ([]Entry, error) {
	keys, wrong := parse(path, text)
	if len(keys) == 0 && len(wrong) == 0 {
		return nil, fail(ReasonEmpty, "%s: holds no key", path)
	}
	for i := range keys {
		keys[i].At = path + ": " + keys[i].At
	}
	for i := range wrong {
		wrong[i] = failure{ReasonMalformed, wrong[i]}
	}
	return keys, errors.Join(wrong...)
}
