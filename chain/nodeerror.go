package chain

import (
	"context"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// unreachable tells a node that did not answer from an answer.
func unreachable(err error) bool {
	if s, ok := status.FromError(err); ok && err != nil {
		return s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded
	}
	var netErr *url.Error
	return errors.As(err, &netErr) || errors.Is(err, context.DeadlineExceeded)
}

// passedOn reports that another node may answer what this one did not: it is out of
// reach, does not know the query, or has dropped the height.
func passedOn(err error) bool {
	switch {
	case err == nil:
		return false
	case unreachable(err) || status.Code(err) == codes.Unimplemented:
		return true
	}
	text := err.Error()
	return strings.Contains(text, "lowest height is") || strings.Contains(text, "version does not exist")
}

// misconfigured explains errors of nodes that are reached and will never answer,
// in terms of the settings; "" if it is none of those.
func misconfigured(err error) string {
	var expired x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var foreign x509.HostnameError
	text := err.Error()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case errors.As(err, &expired) && expired.Reason == x509.Expired, has("certificate has expired"):
		return "its certificate has expired, or this machine's clock is wrong"
	case errors.As(err, &unknown), has("unknown authority"):
		return "its certificate is signed by nobody this machine trusts"
	case errors.As(err, &foreign), has("certificate is valid for"), has("doesn't contain any IP SANs"):
		return "its certificate is for another name"
	case has("looked like an HTTP/1.1 header"), has("failed reading the frame payload"), has("error reading server preface"),
		has("missing selected ALPN property"), has("no application protocol"):
		return "it does not speak HTTP/2: this is not a gRPC port, or a proxy in between has no HTTP/2"
	case has("gave HTTP response to HTTPS client"), has("first record does not look like a TLS handshake"):
		return "it does not speak TLS: the scheme should be http"
	case has("malformed HTTP response"), has("client sent an HTTP request to an HTTPS server"), has("invalid character"):
		return "this is not a CometBFT RPC port, or it wants https"
	case status.Code(err) == codes.Unimplemented:
		return "it does not know this query: its version is too old, or its service is switched off"
	}
	return ""
}
