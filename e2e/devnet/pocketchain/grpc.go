package pocketchain

import (
	"fmt"
	"net"

	"cosmossdk.io/log"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	servergrpc "github.com/cosmos/cosmos-sdk/server/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// serveGRPC exposes the app's query services, and connects our own client to them.
func (c *Chain) serveGRPC(logger log.Logger) error {
	clientCtx := client.Context{}.
		WithChainID(c.opts.ChainID).
		WithClient(c.rpc).
		WithCodec(c.app.AppCodec()).
		WithInterfaceRegistry(c.app.AppCodec().InterfaceRegistry()).
		WithTxConfig(c.app.TxConfig())
	config := serverconfig.DefaultConfig()
	config.MinGasPrices = c.opts.MinGasPrices
	c.app.RegisterTxService(clientCtx)
	c.app.RegisterTendermintService(clientCtx)
	c.app.RegisterNodeService(clientCtx, *config)
	srv, _, err := servergrpc.NewGRPCServerAndContext(clientCtx, c.app, config.GRPC, logger)
	if err != nil {
		return fmt.Errorf("build gRPC server: %w", err)
	}
	listener, err := net.Listen("tcp", c.opts.GRPCAddr)
	if err != nil {
		return fmt.Errorf("listen for gRPC: %w", err)
	}
	c.grpcAddr = listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Serve returns when Stop closes the listener.
		_ = srv.Serve(listener)
	}()
	c.onClose(func() {
		srv.Stop()
		<-done
	})
	registry := codec.NewProtoCodec(c.app.AppCodec().InterfaceRegistry()).GRPCCodec()
	c.conn, err = grpc.NewClient(c.grpcAddr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(registry)),
	)
	if err != nil {
		return fmt.Errorf("connect to gRPC: %w", err)
	}
	c.onClose(func() { _ = c.conn.Close() })
	return nil
}
