package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/e2e/relayload"
)

// service is the one that load is for. Its whole run is one session, and few
// blocks are made, since the chain shares a core with the client that measures.
const (
	service         = "eth"
	blocksInSession = 2000
	blockTime       = 5 * time.Second
	applications    = 3
)

// contestant is one of the relayers, on its core.
type contestant struct {
	name   string
	pid    int
	ops    string // http://host:port of its metrics
	target *relayload.Target
}

func startNetwork(ctx context.Context, o options) (net *devnet.Devnet, ours, stock *contestant, err error) {
	backend, err := startBackend()
	if err != nil {
		return nil, nil, nil, err
	}
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = blocksInSession
	pin := func(program ...string) []string {
		return append([]string{"taskset", "-c", strconv.Itoa(o.core)}, program...)
	}
	net, err = devnet.Start(ctx, devnet.Options{
		Chain: pocketchain.Options{
			BlockTime: blockTime, Params: &params, ApplicationsPerService: applications,
			Services: pocketchain.DefaultServices()[:1],
		},
		Miners: 1, Relayers: 2, Binary: o.binary, Progress: os.Stderr,
		Command: map[string][]string{"relayer-1": pin(strings.Fields(o.ours)...), "relayer-2": pin(o.stock)},
		Edit: func(_ string, file map[string]any) {
			if services, ok := file["services"].(map[string]any); ok {
				services[service] = map[string]any{"backends": map[string]any{"jsonrpc": map[string]any{"url": backend}}}
			}
		},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	contestants := make([]*contestant, 2)
	for i, r := range net.Manifest().Relayers {
		want, _, _ := strings.Cut([]string{o.ours, o.stock}[i], " ")
		if got, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.PID)); got != want {
			return nil, nil, nil, errors.Join(fmt.Errorf("%s runs %s, not %s", r.Name, got, want), net.Close())
		}
		addr := strings.TrimPrefix(r.URLs["jsonrpc"], "http://")
		contestants[i] = &contestant{name: r.Name, pid: r.PID, ops: strings.TrimSuffix(r.MetricsURL, "/metrics"), target: relayload.NewTarget(addr, o.conns)}
	}
	return net, contestants[0], contestants[1], nil
}

// startBackend answers /N with N bytes.
func startBackend() (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("backend: %w", err)
	}
	body := []byte(strings.Repeat("0123456789abcdef", maxAnswer/16))
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		size, err := strconv.Atoi(string(ctx.Path()[1:]))
		if err != nil || size > len(body) {
			ctx.Error("no such size", fasthttp.StatusBadRequest)
			return
		}
		ctx.SetContentType("application/json")
		ctx.Response.SetBodyRaw(body[:size])
	}}
	go func() { _ = server.Serve(listener) }() // as long as we live
	return "http://" + listener.Addr().String(), nil
}
