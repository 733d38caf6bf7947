package backends

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
)

// echo is what the REST backend saw of a request.
type echo struct {
	Method     string              `json:"method"`
	Path       string              `json:"path"`
	Query      map[string][]string `json:"query,omitempty"`
	Header     map[string][]string `json:"header,omitempty"`
	BodyBytes  int                 `json:"body_bytes"`
	BodySHA256 string              `json:"body_sha256,omitempty"`
}

// serveREST answers any path with what it saw: method, path, query, headers and
// a digest of the body. The query parameter status picks the answer's status.
func serveREST(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	seen := echo{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header, BodyBytes: len(body),
	}
	if len(body) > 0 {
		digest := sha256.Sum256(body)
		seen.BodySHA256 = hex.EncodeToString(digest[:])
	}
	w.Header().Set("Content-Type", "application/json")
	if status := r.URL.Query().Get("status"); status != "" {
		w.WriteHeader(parseStatus(status))
	}
	writeJSON(w, seen)
}

func parseStatus(s string) int {
	status := 0
	for _, digit := range s {
		if digit < '0' || digit > '9' || status > 999 {
			return http.StatusBadRequest
		}
		status = status*10 + int(digit-'0')
	}
	if status < 200 || status > 599 {
		return http.StatusBadRequest
	}
	return status
}
