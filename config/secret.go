package config

import "encoding/json"

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

// Headers are HTTP headers, whose values are often API keys and so hidden.
type Headers map[string]string

func (h Headers) hidden() map[string]Secret {
	if h == nil {
		return nil
	}
	out := make(map[string]Secret, len(h))
	for name, value := range h {
		out[name] = Secret(value)
	}
	return out
}

// String hides the values.
func (h Headers) String() string {
	bz, err := h.MarshalJSON()
	if err != nil {
		return redacted
	}
	return string(bz)
}

// GoString hides the values from %#v.
func (h Headers) GoString() string { return h.String() }

// MarshalJSON hides the values.
func (h Headers) MarshalJSON() ([]byte, error) { return json.Marshal(h.hidden()) }

// MarshalYAML hides the values.
func (h Headers) MarshalYAML() (any, error) { return h.hidden(), nil }
