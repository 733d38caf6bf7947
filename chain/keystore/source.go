package keystore

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/raftminer/raftminer/chain"
)

// Reason says why a source, or a key in it, cannot be used. It is a metric label:
// the set is closed.
type Reason string

// The reasons.
const (
	ReasonSettings   Reason = "settings"   // the configuration cannot be read
	ReasonUnreadable Reason = "unreadable" // the source cannot be read
	ReasonLocked     Reason = "locked"     // a passphrase or an identity is missing or wrong
	ReasonEmpty      Reason = "empty"      // the source has no key
	ReasonMalformed  Reason = "malformed"  // what is there is no key, or half of one
	ReasonForeign    Reason = "foreign"    // the key is not of the address that it is said to have
)

// Problem is one thing wrong with a source. It never holds a secret.
type Problem struct {
	Setting string // such as keys.keys_file
	Reason  Reason
	Err     error // names the file and the key
}

func (p Problem) Error() string { return fmt.Sprintf("%s: %v", p.Setting, p.Err) }

// Unwrap is the error alone.
func (p Problem) Unwrap() error { return p.Err }

// Entry is a key as a source has it.
type Entry struct {
	At      string // where in the source, for messages
	Address string // that the source says it has; "" when it says nothing
	Secret  []byte
}

// Parser reads the keys in the text of a file, and says what is wrong with the rest.
type Parser func(file string, text []byte) (keys []Entry, wrong []error)

// Source is one place with keys.
type Source struct {
	Setting string   // that names it
	Watch   []string // files and directories that change when it does
	Read    func() ([]Entry, error)
}

// failure is an error with its reason. Read may return several, joined.
type failure struct {
	reason Reason
	error
}

func (f failure) Unwrap() error { return f.error }

func fail(reason Reason, format string, args ...any) error {
	return failure{reason, fmt.Errorf(format, args...)}
}

// Loaded is what all sources together have.
type Loaded struct {
	Keys     chain.Keys
	Problems []Problem
	Twice    []string // sentences about keys that are in more than one place
}

// Complete says that a key that is not here is in no source.
func (l Loaded) Complete() bool { return len(l.Problems) == 0 }

// Load reads the sources. What can be read of them counts, whatever else is wrong.
func Load(sources []Source) Loaded {
	l := Loaded{Keys: make(chain.Keys)}
	places := make(map[string]string)
	for _, source := range sources {
		entries, err := source.Read()
		if err == nil && len(entries) == 0 {
			err = fail(ReasonEmpty, "holds no key")
		}
		l.Problems = append(l.Problems, problemsOf(source.Setting, err)...)
		for _, entry := range entries {
			key, err := entry.key()
			if err != nil {
				l.Problems = append(l.Problems, problemsOf(source.Setting, err)...)
				continue
			}
			at := source.Setting + ": " + entry.At
			if first, again := places[key.Address()]; again {
				l.Twice = append(l.Twice, fmt.Sprintf("the key of %s is there twice: %s, and %s", key.Address(), first, at))
				continue
			}
			places[key.Address()], l.Keys[key.Address()] = at, key
		}
	}
	return l
}

func (e Entry) key() (*chain.SupplierKey, error) {
	key, err := chain.NewSupplierKey(e.Secret)
	if err != nil {
		return nil, fail(ReasonMalformed, "%s: %w", e.At, err)
	}
	if e.Address != "" && e.Address != key.Address() {
		return nil, fail(ReasonForeign, "%s: is the key of %s, not of %q", e.At, key.Address(), e.Address)
	}
	return key, nil
}

// problemsOf takes joined errors apart.
func problemsOf(setting string, err error) (problems []Problem) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range joined.Unwrap() {
			problems = append(problems, problemsOf(setting, each)...)
		}
		return problems
	}
	var f failure
	reason := ReasonUnreadable
	if errors.As(err, &f) {
		reason = f.reason
	}
	return []Problem{{setting, reason, err}}
}

// readFile names the file in its error, once.
func readFile(path string) ([]byte, error) {
	bz, err := os.ReadFile(path)
	if err != nil {
		return nil, fail(ReasonUnreadable, "%w", err)
	}
	return bz, nil
}

// sortProblems is the order in which they are told.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Setting, b.Setting) })
}
