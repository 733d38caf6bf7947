package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/config"
)

// redisDial bounds the way to a server, so that a failover is not waited out on
// a dead one.
const redisDial = 2 * time.Second

// newRedis makes the client of a configuration, with what edits change. It does not
// talk to Redis yet.
func newRedis(cfg config.Redis, edits ...func(*redis.UniversalOptions)) (redis.UniversalClient, error) {
	e, err := cfg.Endpoint()
	if err != nil {
		return nil, fmt.Errorf("redis.url: %w", err)
	}
	options := &redis.UniversalOptions{
		Addrs: e.Addrs, DB: e.DB, Username: e.Username, Password: e.Password, DialTimeout: redisDial,
		ContextTimeoutEnabled: true, // a Redis that hangs must not hold up who set a limit
		IsClusterMode:         e.Mode == config.RedisCluster,
		MasterName:            cfg.Sentinel.Master, SentinelUsername: cfg.Sentinel.Username, SentinelPassword: cfg.Sentinel.Password.Reveal(),
	}
	if e.TLS {
		if options.TLSConfig, err = redisTLS(cfg.TLS); err != nil {
			return nil, fmt.Errorf("redis.tls: %w", err)
		}
	}
	for _, edit := range edits {
		edit(options)
	}
	return redis.NewUniversalClient(options), nil
}

func redisTLS(files config.RedisTLS) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: files.ServerName}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", files.CA)
		}
	}
	if files.Cert == "" {
		return cfg, nil
	}
	// Read at each connection: the files may be renewed meanwhile.
	own := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		return &pair, err
	}
	if _, err := own(); err != nil {
		return nil, err
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() }
	return cfg, nil
}
