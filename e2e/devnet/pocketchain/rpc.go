package pocketchain

import (
	"fmt"
	"net/http"

	"cosmossdk.io/log"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	servercmtlog "github.com/cosmos/cosmos-sdk/server/log"
)

// serveRPC is CometBFT's own RPC server (node.startRPC) on a listener of ours:
// the node does not tell which port it got when asked for any.
func (c *Chain) serveRPC(logger log.Logger) error {
	env, err := c.node.ConfigureRPC()
	if err != nil {
		return fmt.Errorf("configure RPC: %w", err)
	}
	routes := env.GetRoutes()
	rpcLog := servercmtlog.CometLoggerWrapper{Logger: logger.With("module", "rpc")}
	config := rpcserver.DefaultConfig()
	config.WriteTimeout = c.node.Config().RPC.TimeoutBroadcastTxCommit + config.WriteTimeout
	ws := rpcserver.NewWebsocketManager(routes, rpcserver.ReadLimit(config.MaxBodyBytes))
	ws.SetLogger(rpcLog)
	mux := http.NewServeMux()
	mux.HandleFunc("/websocket", ws.WebsocketHandler)
	rpcserver.RegisterRPCFuncs(mux, routes, rpcLog)
	listener, err := rpcserver.Listen("tcp://"+c.opts.RPCAddr, config.MaxOpenConnections)
	if err != nil {
		return fmt.Errorf("listen for RPC: %w", err)
	}
	c.rpcAddr = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Serve returns when the listener closes; there is nobody left to tell.
		_ = rpcserver.Serve(listener, mux, rpcLog, config)
	}()
	c.onClose(func() {
		_ = listener.Close()
		<-done
	})
	return nil
}
