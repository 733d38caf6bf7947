package relayproxy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Why a request's URL is not followed.
var (
	errTraversal = errors.New("the path leaves its directory")
	errURL       = errors.New("the URL cannot be parsed")
)

// target is where a backend is. Scheme and authority of every request come
// from here and from nowhere else, whatever URL a client sent.
type target struct {
	origin string // scheme://host[:port]
	path   string // escaped base path without a trailing slash
	query  string // raw base query
}

func newTarget(raw string) (target, *url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, nil, fmt.Errorf("parse backend url: %w", err)
	}
	if u.Host == "" {
		return target{}, nil, fmt.Errorf("backend url %q has no host", u.Redacted())
	}
	return target{
		origin: u.Scheme + "://" + u.Host,
		path:   strings.TrimSuffix(u.EscapedPath(), "/"),
		query:  u.RawQuery,
	}, u, nil
}

// join makes the URL of a request for the client's URL, which may be absolute
// or a path: the base path goes before the client's path and the base query
// after the client's query (poktroll pkg/relayer/http_request.go).
func (t target) join(client string) (string, error) {
	u, err := url.Parse(client)
	if err != nil || u.Opaque != "" {
		return "", errURL
	}
	if climbs(u.Path) {
		return "", errTraversal
	}
	var b strings.Builder
	b.Grow(len(t.origin) + len(t.path) + len(client) + len(t.query) + 2)
	b.WriteString(t.origin)
	b.WriteString(t.path)
	writePath(&b, u.EscapedPath(), t.path == "")
	if u.RawQuery != "" || t.query != "" {
		b.WriteByte('?')
		writeQuery(&b, u.RawQuery)
		if u.RawQuery != "" && t.query != "" {
			b.WriteByte('&')
		}
		b.WriteString(t.query)
	}
	return b.String(), nil
}

// climbs reports whether a path has a ".." segment, also one that appears only
// when a backend decodes it again or takes a backslash for a slash.
func climbs(path string) bool {
	for range 3 {
		for segment := range strings.FieldsFuncSeq(path, isSeparator) {
			if segment == ".." {
				return true
			}
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			return false
		}
		path = decoded
	}
	return strings.Contains(path, "..")
}

func isSeparator(r rune) bool { return r == '/' || r == '\\' || r == ';' }

// writePath appends an escaped path, dropping empty and "." segments. The
// trailing slash stays: backends tell /a from /a/. Without any segment nothing
// is appended to a base path, and "/" to an empty one.
func writePath(b *strings.Builder, escaped string, root bool) {
	wrote := false
	for segment := range strings.SplitSeq(escaped, "/") {
		if segment == "" || segment == "." {
			continue
		}
		b.WriteByte('/')
		b.WriteString(segment)
		wrote = true
	}
	if (wrote && strings.HasSuffix(escaped, "/")) || (!wrote && root) {
		b.WriteByte('/')
	}
}

// writeQuery appends a raw query as the client wrote it, escaping only what
// would end the request line.
func writeQuery(b *strings.Builder, raw string) {
	const hex = "0123456789ABCDEF"
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
}
