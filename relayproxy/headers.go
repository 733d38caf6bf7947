package relayproxy

import (
	"strconv"
	"strings"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
	"golang.org/x/net/http/httpguts"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// Headers that tell a backend who asks (poktroll pkg/relayer/header_utils.go).
// Clients cannot set them.
const (
	pocketSupplier     = "Pocket-Supplier"
	pocketService      = "Pocket-Service"
	pocketApplication  = "Pocket-Application"
	pocketSessionID    = "Pocket-Session-Id"
	pocketSessionStart = "Pocket-Session-Start-Height"
	pocketSessionEnd   = "Pocket-Session-End-Height"
)

// copyRequestHeaders puts the client's headers on a backend request, except
// those that belong to a connection and those that only we may set. Invalid
// names and values are dropped: they could not be sent.
func copyRequestHeaders(dst *fasthttp.RequestHeader, src map[string]*sdktypes.Header) {
	named := connectionHeaders(src)
	for key, header := range src {
		if !httpguts.ValidHeaderFieldName(key) || !forwardable(key) || isPocket(key) || named != nil && named[strings.ToLower(key)] {
			continue
		}
		for _, value := range header.GetValues() {
			if httpguts.ValidHeaderFieldValue(value) {
				dst.Add(key, value)
			}
		}
	}
}

// connectionHeaders are the headers that a Connection header makes hop-by-hop
// (RFC 9110, section 7.6.1).
func connectionHeaders(src map[string]*sdktypes.Header) map[string]bool {
	var named map[string]bool
	for key, header := range src {
		if !strings.EqualFold(key, fasthttp.HeaderConnection) {
			continue
		}
		for _, value := range header.GetValues() {
			for name := range strings.SplitSeq(value, ",") {
				if named == nil {
					named = map[string]bool{}
				}
				named[strings.ToLower(strings.TrimSpace(name))] = true
			}
		}
	}
	return named
}

// hopByHop are the headers of a connection, and those that the client library
// writes: Host and Content-Length.
var hopByHop = [...]string{
	"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
	"te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect",
}

// forwardable reports whether a header is end-to-end.
func forwardable(key string) bool {
	for _, name := range hopByHop {
		if strings.EqualFold(key, name) {
			return false
		}
	}
	return true
}

func isPocket(key string) bool {
	return len(key) > len("Pocket-") && strings.EqualFold(key[:len("Pocket-")], "Pocket-")
}

// setPocketHeaders tells the backend who asks.
func setPocketHeaders(dst *fasthttp.RequestHeader, meta *servicetypes.RelayRequestMetadata) {
	h := meta.SessionHeader
	dst.Set(pocketSupplier, meta.SupplierOperatorAddress)
	dst.Set(pocketService, h.ServiceId)
	dst.Set(pocketApplication, h.ApplicationAddress)
	dst.Set(pocketSessionID, h.SessionId)
	dst.Set(pocketSessionStart, strconv.FormatInt(h.SessionStartBlockHeight, 10))
	dst.Set(pocketSessionEnd, strconv.FormatInt(h.SessionEndBlockHeight, 10))
}

// responseHeaders copies a backend's end-to-end headers. There is one array for all
// of them: most headers have one value.
func responseHeaders(src *fasthttp.ResponseHeader) map[string]*sdktypes.Header {
	most := src.Len()
	out := make(map[string]*sdktypes.Header, most)
	headers, values := make([]sdktypes.Header, most), make([]string, most)
	for k, v := range src.All() {
		key := string(k)
		if !forwardable(key) && !strings.EqualFold(key, fasthttp.HeaderContentLength) {
			continue
		}
		if known := out[key]; known != nil {
			known.Values = append(known.Values, string(v))
			continue
		}
		i := len(out)
		values[i] = string(v)
		headers[i].Key, headers[i].Values = key, values[i:i+1:i+1]
		out[key] = &headers[i]
	}
	return out
}
