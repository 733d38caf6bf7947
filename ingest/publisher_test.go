package ingest

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// BenchmarkPublish has callers that wait for their relay to be in the stream, as
// those of the relay path do. cpu-us is this process's processor time per relay;
// redis-server's is not in it.
func BenchmarkPublish(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			p := NewPublisher(startRedis(b), testKeys(), prometheus.NewRegistry(), zap.NewNop())
			defer p.Close()
			relay := testRelay(b, testRef(1), 1)
			relay.Relay = append(relay.Relay, make([]byte, 940-len(relay.Relay))...) // as one with 200 bytes of payload
			b.ReportAllocs()
			b.SetParallelism(callers) // for each processor
			before := processorTime(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.Publish(context.Background(), relay); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
		})
	}
}

func processorTime(t testing.TB) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
