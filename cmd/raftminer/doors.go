package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/relayproxy"
	"github.com/raftminer/raftminer/relayproxy/certificate"
)

// doors are all ways in for relays, with the certificates that they show.
type doors struct {
	ports        []relayproxy.Port
	certificates map[string]*certificate.Follower // by setting
}

// listenForRelays opens every port that is configured, or none.
func listenForRelays(cfg config.Relayer, reg prometheus.Registerer, log *zap.Logger) (*doors, error) {
	d := &doors{certificates: make(map[string]*certificate.Follower)}
	metrics := certificate.NewMetrics(reg)
	for _, p := range cfg.Ports() {
		if err := d.open(p, metrics, log); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

func (d *doors) open(p config.Port, metrics *certificate.Metrics, log *zap.Logger) error {
	port := relayproxy.Port{Name: p.ListenAddr, Protocol: relayproxy.Protocol(p.Protocol)}
	if p.TLS.Enabled() {
		follower, err := certificate.Follow(certificateFiles(p), metrics, log)
		if err != nil {
			return err
		}
		port.Certificate = follower.Certificate
		d.certificates[p.Setting+".tls"] = follower
	}
	var err error
	if port.Listener, err = net.Listen("tcp", p.ListenAddr); err != nil {
		return fmt.Errorf("%s.listen_addr: %w", p.Setting, err)
	}
	d.ports = append(d.ports, port)
	return nil
}

func certificateFiles(p config.Port) certificate.Files {
	return certificate.Files{Setting: p.Setting + ".tls", Cert: p.TLS.Cert, Key: p.TLS.Key}
}

// close is for doors that nobody serves.
func (d *doors) close() error {
	var errs []error
	for _, port := range d.ports {
		errs = append(errs, port.Close())
	}
	return errors.Join(errs...)
}

func (d *doors) addresses() (addrs []string) {
	for _, port := range d.ports {
		addrs = append(addrs, port.Addr().String())
	}
	return addrs
}

// checks: clients refuse a certificate that has expired, so the relayer is of no use.
func (d *doors) checks() (checks []check) {
	for setting, follower := range d.certificates {
		checks = append(checks, check{setting, follower.Ready})
	}
	return checks
}

// follow adds what reads certificates again when they change.
func (d *doors) follow(group *run.Group) {
	ctx, stop := context.WithCancel(context.Background())
	group.Add(
		func() error {
			var all sync.WaitGroup
			for _, follower := range d.certificates {
				all.Go(func() { follower.Run(ctx) })
			}
			<-ctx.Done()
			all.Wait()
			return nil
		},
		func(error) { stop() })
}
