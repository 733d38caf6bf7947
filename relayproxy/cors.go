package relayproxy

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// What pages may do: send a relay as any transport over HTTP takes it, and read the
// status of gRPC.
const (
	corsMethods = "POST"
	corsHeaders = "Content-Type, Grpc-Timeout, X-Grpc-Web, X-User-Agent, " + headerRPCType + ", " + headerSimulation
	corsExposed = "Grpc-Status, Grpc-Message"
	corsMaxAge  = "7200" // seconds, the most that browsers keep
)

// cors tells browsers which pages may send relays (fetch.spec.whatwg.org, section
// 3.3). It keeps nobody else out: who may be served is in the signature of a relay.
type cors struct {
	any     bool
	origins map[string]bool // in lower case
}

// newCORS is nil for no origins: then there is nothing to tell.
func newCORS(origins []string) *cors {
	if len(origins) == 0 {
		return nil
	}
	c := &cors{origins: make(map[string]bool)}
	for _, origin := range origins {
		c.any = c.any || origin == "*"
		c.origins[strings.ToLower(origin)] = true
	}
	return c
}

// answer puts on a response what a browser asks for. A preflight is answered with
// that, and is no relay.
func (c *cors) answer(ctx *fasthttp.RequestCtx) (preflight bool) {
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	if c == nil || len(origin) == 0 {
		return false
	}
	preflight = ctx.IsOptions() && len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0
	if preflight {
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	}
	h := &ctx.Response.Header
	if !c.any {
		h.Set(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
		if !c.origins[strings.ToLower(string(origin))] {
			return preflight
		}
		h.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
	} else {
		h.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
	}
	if preflight {
		h.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
		h.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
		h.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	} else {
		h.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
	}
	return preflight
}
