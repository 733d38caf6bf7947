package raftfsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// debugLog is how much of the log support gets to see.
const debugLog = 500

// Bench implements adminpb.InspectServer.
func (i *inspect) Bench(ctx context.Context, request *adminpb.BenchRequest) (*adminpb.BenchResponse, error) {
	measures, err := i.node.Bench(ctx, int(request.GetRounds()))
	if err != nil {
		return nil, adminError(err)
	}
	response := &adminpb.BenchResponse{}
	for _, m := range measures {
		response.Measures = append(response.Measures, &adminpb.Measure{
			What: m.What, Member: m.Member, Rounds: uint32(len(m.Took)), Error: m.Error,
			P50Ms: millis(m.quantile(0.5)), P99Ms: millis(m.quantile(0.99)), MaxMs: millis(m.quantile(1)),
		})
	}
	return response, nil
}

// Debug implements adminpb.InspectServer.
func (i *inspect) Debug(ctx context.Context, request *adminpb.DebugRequest) (*adminpb.DebugResponse, error) {
	if id := request.GetId(); id != "" && id != i.node.cfg.NodeID {
		return i.debugOf(ctx, id)
	}
	own := &admin{node: i.node}
	status, err := own.Status(ctx, &adminpb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	log, err := i.Log(ctx, &adminpb.LogRequest{Limit: debugLog})
	if err != nil {
		return nil, err
	}
	metrics, err := i.node.metricsText()
	if err != nil {
		return nil, adminError(err)
	}
	var goroutines bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&goroutines, 2); err != nil {
		return nil, adminError(err)
	}
	return &adminpb.DebugResponse{
		Status: status, Version: i.node.cfg.Version, GoVersion: runtime.Version(), ConfigHash: i.node.cfg.ConfigHash,
		Metrics: metrics, Goroutines: goroutines.String(), Log: log.GetEntries(),
	}, nil
}

// debugOf asks another member.
func (i *inspect) debugOf(ctx context.Context, id string) (_ *adminpb.DebugResponse, err error) {
	for _, s := range i.node.servers() {
		if string(s.ID) != id {
			continue
		}
		conn, err := i.node.peerConn(string(s.Address))
		if err != nil {
			return nil, adminError(err)
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		return adminpb.NewInspectClient(conn).Debug(ctx, &adminpb.DebugRequest{Id: id})
	}
	return nil, adminError(fmt.Errorf("member %s: %w", id, ErrNotFound))
}

// metricsText is what this process exports; empty if its registry only takes.
func (n *Node) metricsText() (string, error) {
	source, ok := n.reg.(prometheus.Gatherer)
	if !ok {
		return "", nil
	}
	families, err := source.Gather()
	if err != nil {
		return "", fmt.Errorf("gather metrics: %w", err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return "", fmt.Errorf("write metrics: %w", err)
		}
	}
	return text.String(), nil
}
