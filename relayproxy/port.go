package relayproxy

import (
	"crypto/tls"
	"net"
)

// Protocol is what a port takes.
type Protocol string

// The protocols. WebSockets and gRPC-Web are HTTP.
const (
	ProtocolAny  Protocol = "" // the first bytes of a connection decide
	ProtocolHTTP Protocol = "http"
	ProtocolGRPC Protocol = "grpc"
)

// Port is a way for clients to come in.
type Port struct {
	net.Listener
	Name     string // of configuration, for metrics
	Protocol Protocol
	// Certificate is for tls.Config; nil takes connections in the clear.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// tls is the configuration of the port's connections, nil for none. HTTP/2 is agreed on
// for gRPC alone: a client that may choose would send its POSTs over it.
func (p Port) tls() *tls.Config {
	if p.Certificate == nil {
		return nil
	}
	offered := "http/1.1"
	if p.Protocol == ProtocolGRPC {
		offered = "h2"
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.Certificate, NextProtos: []string{offered}}
}
