package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/raftminer/raftminer/config"
)

// renewTime is how long before its end a certificate should have been renewed: those
// that are made for 90 days are, at two thirds of them.
const renewTime = 14 * 24 * time.Hour

// examineDoors looks where relays come in: at the certificates, and at addresses that
// nobody could listen on.
func examineDoors(cfg config.Relayer) (findings []finding) {
	if cfg.ListenAddr == "" {
		return nil // a miner
	}
	for _, p := range cfg.Ports() {
		add := func(problem string) { findings = append(findings, finding{"relayer", p.ListenAddr, problem}) }
		if err := canListen(p.ListenAddr); err != nil {
			add(fmt.Sprintf("%s.listen_addr: %v", p.Setting, err))
		}
		if !p.TLS.Enabled() {
			continue
		}
		now := time.Now()
		pair, err := certificateFiles(p).Load(now)
		switch {
		case err != nil:
			add(err.Error())
		case pair.Leaf.NotAfter.Sub(now) < renewTime:
			add(fmt.Sprintf("%s.tls.cert: the certificate in %s expires soon: %s", p.Setting, p.TLS.Cert, pair.Leaf.NotAfter.UTC().Format(time.RFC3339)))
		}
	}
	return findings
}

// canListen: a port in use is most likely the relayer's own.
func canListen(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil
	}
	if err != nil {
		return err
	}
	return listener.Close()
}
