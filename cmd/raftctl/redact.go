package main

import "regexp"

// redactions hide what may be secret in text that members wrote: they keep secrets
// out of it, but an error of a library may quote an address with its password.
func redactions() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`(://)[^/@\s"']+(@)`),
		regexp.MustCompile(`(?i)\b((?:pass(?:word|phrase)?|token|secret|api_?key|authorization)["']?\s*[=:]\s*["']?)[^\s&"',;]+()`),
		regexp.MustCompile(`(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]*(-----END)`),
	}
}

// redact hides what looks like a secret.
func redact(text []byte) []byte {
	for _, secret := range redactions() {
		text = secret.ReplaceAll(text, []byte("${1}***${2}"))
	}
	return text
}
