package config

import (
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
)

// Bytes is a size, written as 20MB, 512KiB or a plain number.
type Bytes uint64

// UnmarshalYAML reads a size.
func (b *Bytes) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return fmt.Errorf("%q is not a size such as 20MB", text)
	}
	*b = Bytes(n)
	return nil
}

// Secret is a string that shows in no output.
type Secret string

const redacted = "***"

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML hides the secret.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }
