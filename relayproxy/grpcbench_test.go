package relayproxy

import (
	"context"
	"testing"
)

// BenchmarkGRPC serves relays over one connection, as fast as they come, without the
// time of verification.
func BenchmarkGRPC(b *testing.B) {
	w := newWorld(b)
	w.started = func(s *Server) { s.pipeline.verifier = acceptAll{} }
	_, url := w.start()
	conn := w.grpcConn(url)
	defer conn.Close()
	body := w.signed(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var reply []byte
			if err := conn.Invoke(context.Background(), "/"+relayService+"/"+relayMethod, &body, &reply); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
