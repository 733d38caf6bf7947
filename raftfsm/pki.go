package raftfsm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"
)

// Certificates live as long as operators of small clusters expect: the CA as long
// as the cluster, a node's for a year.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	clockSlack      = 5 * time.Minute // a node whose clock is behind can use it at once
	serialBits      = 128
	nameScheme      = "rm"
)

// ErrCertificate is the refusal of a certificate, or of making one.
var ErrCertificate = errors.New("bad certificate")

// Certificate is a certificate with its private key, both PEM.
type Certificate struct{ Cert, Key []byte }

// nodeName is what a certificate says of its bearer: rm://cluster/node. The CA's
// own is rm://cluster.
func nodeName(clusterID, nodeID string) *url.URL {
	name := &url.URL{Scheme: nameScheme, Host: clusterID}
	if nodeID != "" {
		name.Path = "/" + nodeID
	}
	return name
}

// NewAuthority makes the CA of a cluster, valid from now.
func NewAuthority(clusterID string, now time.Time) (Certificate, error) {
	if !validNodeID(clusterID) {
		return Certificate{}, fmt.Errorf("%w: cluster id %q: want letters, digits, dot, dash, underscore", ErrCertificate, clusterID)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "raftminer CA of " + clusterID},
		URIs:                  []*url.URL{nodeName(clusterID, "")},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	return sign(template, nil, nil)
}

// IssueCertificate makes a node's certificate, signed by the cluster's CA. hosts
// are the names and addresses it may be found at; peers identify it by its id, so
// they may change later.
func IssueCertificate(authority Certificate, nodeID string, hosts []string, now time.Time) (Certificate, error) {
	if !validNodeID(nodeID) {
		return Certificate{}, fmt.Errorf("%w: node id %q: want letters, digits, dot, dash, underscore", ErrCertificate, nodeID)
	}
	ca, key, err := parseAuthority(authority)
	if err != nil {
		return Certificate{}, err
	}
	if now.After(ca.NotAfter) {
		return Certificate{}, fmt.Errorf("%w: the CA expired on %s", ErrCertificate, ca.NotAfter.Format(time.DateOnly))
	}
	end := now.Add(certificateLife)
	if end.After(ca.NotAfter) {
		end = ca.NotAfter
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: nodeID},
		URIs:        []*url.URL{nodeName(ca.URIs[0].Host, nodeID)},
		NotBefore:   now.Add(-clockSlack),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return sign(template, ca, key)
}

func parseAuthority(authority Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certBlock, _ := pem.Decode(authority.Cert)
	keyBlock, _ := pem.Decode(authority.Key)
	if certBlock == nil || keyBlock == nil {
		return nil, nil, fmt.Errorf("%w: the CA is not PEM", ErrCertificate)
	}
	ca, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: parse the CA: %w", ErrCertificate, err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: parse the key of the CA: %w", ErrCertificate, err)
	}
	if !ca.IsCA || len(ca.URIs) != 1 || ca.URIs[0].Scheme != nameScheme {
		return nil, nil, fmt.Errorf("%w: not a CA of a raftminer cluster", ErrCertificate)
	}
	return ca, key, nil
}

// sign makes a key and its certificate; without a parent it signs itself.
func sign(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return Certificate{}, fmt.Errorf("draw a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("sign certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("encode key: %w", err)
	}
	return Certificate{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, nil
}
