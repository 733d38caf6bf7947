package backends

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Streams send this many events unless the query parameter n says otherwise.
const defaultEvents = 5

// serveSSE streams n server-sent events, as a language model streams tokens.
func serveSSE(w http.ResponseWriter, r *http.Request) {
	stream(w, r, "text/event-stream", func(i int) string { return fmt.Sprintf("data: {\"token\":%d}\n\n", i) })
}

// serveNDJSON streams n lines of JSON.
func serveNDJSON(w http.ResponseWriter, r *http.Request) {
	stream(w, r, "application/x-ndjson", func(i int) string { return fmt.Sprintf("{\"token\":%d}\n", i) })
}

// stream sends each event on its own; the query parameters n and ms set how
// many, and the pause between two.
func stream(w http.ResponseWriter, r *http.Request, contentType string, event func(int) string) {
	n := queryInt(r, "n", defaultEvents)
	pause := time.Duration(queryInt(r, "ms", 10)) * time.Millisecond
	w.Header().Set("Content-Type", contentType)
	flusher, _ := w.(http.Flusher)
	for i := range n {
		if _, err := w.Write([]byte(event(i))); err != nil {
			return
		}
		if flusher != nil {
			flusher.Flush()
		}
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return
		}
	}
}

func queryInt(r *http.Request, name string, fallback int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 0 {
		return fallback
	}
	return n
}
