package raftfsm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// TLSFiles are the PEM files of a node. They are read at every handshake, so
// renewed ones count without a restart.
type TLSFiles struct{ CA, Cert, Key string }

// cluster is the cluster that the certificate was issued for.
func (f TLSFiles) cluster() (string, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != nameScheme {
		return "", fmt.Errorf("%w: %s names no node", ErrCertificate, f.Cert)
	}
	return leaf.URIs[0].Host, nil
}

// ErrPeer is the refusal of a peer whose certificate names somebody else.
var ErrPeer = errors.New("not the expected peer")

// peerIdentity checks who is at the other end of a connection.
type peerIdentity struct {
	files     TLSFiles
	clusterID string
}

// check reads the files once and makes sure that they are this node's.
func (p peerIdentity) check(nodeID string) error {
	cfg, err := p.config("")
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCertificate, p.files.Cert, err)
	}
	if err := p.verify(leaf, nodeID); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCertificate, p.files.Cert, err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: cfg.RootCAs, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCertificate, p.files.Cert, err)
	}
	return nil
}

// config is a fresh configuration for one handshake with the node nodeID, or with
// any node of the cluster if that is empty.
//
// Peers are dialled at addresses that may change, and are known by their id: so the
// chain is verified here against the id, not by crypto/tls against the host name.
func (p peerIdentity) config(nodeID string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	pem, err := os.ReadFile(p.files.CA)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: no CA in %s", ErrCertificate, p.files.CA)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAnyClientCert, // verified below, like a server's
		// Resumption would skip the verification below until the ticket expires.
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true, // replaced by VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			return p.verifyChain(state.PeerCertificates, roots, nodeID)
		},
	}, nil
}

func (p peerIdentity) verifyChain(chain []*x509.Certificate, roots *x509.CertPool, nodeID string) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: it has no certificate", ErrPeer)
	}
	options := x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if _, err := chain[0].Verify(options); err != nil {
		return fmt.Errorf("%w: %w", ErrPeer, err)
	}
	return p.verify(chain[0], nodeID)
}

// verify holds the name in a certificate against the cluster and the node.
func (p peerIdentity) verify(leaf *x509.Certificate, nodeID string) error {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != nameScheme {
		return fmt.Errorf("%w: its certificate names no node", ErrPeer)
	}
	cluster, node := leaf.URIs[0].Host, strings.TrimPrefix(leaf.URIs[0].Path, "/")
	switch {
	case cluster != p.clusterID:
		return fmt.Errorf("%w: it is of cluster %q, this is %q", ErrPeer, cluster, p.clusterID)
	case node == "":
		return fmt.Errorf("%w: its certificate names no node", ErrPeer)
	case nodeID != "" && node != nodeID:
		return fmt.Errorf("%w: it is node %q, want %q", ErrPeer, node, nodeID)
	}
	return nil
}

// nodeOf is the node that a verified chain was issued to.
func nodeOf(chain []*x509.Certificate) string {
	if len(chain) == 0 || len(chain[0].URIs) != 1 {
		return ""
	}
	return strings.TrimPrefix(chain[0].URIs[0].Path, "/")
}
