package relayproxy

import (
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheBudgetEndsForEveryTransport(t *testing.T) {
	for _, tr := range transports() {
		t.Run(tr.name, func(t *testing.T) {
			w := newWorld(t)
			w.chain.budget = 3
			w.speakBoth()
			_, url := w.start()
			for i, want := range []uint32{0, 0, 0, 7, 7} {
				if got := tr.send(w, url, w.signed("hello")).GetRelayMinerError().GetCode(); got != want {
					t.Errorf("relay %d: code %d, want %d", i+1, got, want)
				}
			}
			if n := len(w.stream.published()); n != 3 {
				t.Errorf("%d relays are in the stream of a budget of 3", n)
			}
			w.checkCharged(3)
		})
	}
}

func TestOverServicingIsNotMined(t *testing.T) {
	w := newWorld(t)
	w.chain.budget = 2
	w.config.OverServicing = true
	_, url := w.start()
	for i := range 4 {
		if _, res := post(t, url, w.signed("hello")); res.RelayMinerError != nil {
			t.Errorf("relay %d: %v, want it served", i+1, res.RelayMinerError)
		}
	}
	if n := len(w.stream.published()); n != 2 {
		t.Errorf("%d relays are in the stream of a budget of 2", n)
	}
	w.checkCharged(2)
}

// Frames that nobody asked for are charged by themselves, and end the bridge when the
// budget does.
func TestPushesAreCharged(t *testing.T) {
	w := newWorld(t)
	w.chain.budget = 3
	w.socketBackend(func(conn *websocket.Conn) {
		kind, frame, err := conn.ReadMessage()
		for err == nil {
			err = conn.WriteMessage(kind, frame)
		}
	})
	_, url := w.start()
	c := w.dial(url)
	c.send(w.frame("subscribe"))
	for range 3 {
		if res := c.next(); res.RelayMinerError != nil {
			t.Fatalf("within the budget: %v", res.RelayMinerError)
		}
	}
	if code, refusal := c.closed(); code != closeLimit || refusal.GetCode() != 7 {
		t.Errorf("closed with %d and %v, want %d and code 7", code, refusal, closeLimit)
	}
	if n := len(w.stream.published()); n != 3 {
		t.Errorf("%d relays are in the stream of a budget of 3", n)
	}
	w.checkCharged(3)
}

// A request that a WebSocket's backend never answers is refunded when the bridge ends.
func TestUnansweredRequestsAreRefunded(t *testing.T) {
	w := newWorld(t)
	heard := make(chan struct{}, 2)
	w.socketBackend(func(conn *websocket.Conn) {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
			heard <- struct{}{}
		}
	})
	_, url := w.start()
	c := w.dial(url)
	c.send(w.frame("one"))
	c.send(w.frame("two"))
	<-heard
	<-heard
	if got := w.charged(); got != 2 {
		t.Errorf("the meter holds %d relays in flight, want 2", got)
	}
	_ = c.conn.Close()
	w.checkCharged(0)
}

// Junk that names the application moves nothing.
func TestJunkIsNotCharged(t *testing.T) {
	w := newWorld(t)
	s, url := w.start()
	for range 20 {
		req := w.request(jsonRPC("hello"))
		req.Meta.Signature = []byte("forged")
		post(t, url, marshal(t, req))
	}
	if n := rejections(s, ReasonBadSignature); n != 20 {
		t.Errorf("%v bad signatures, want 20", n)
	}
	if n := testutil.CollectAndCount(w.registry, "ha_relayer_relay_meter_leases_total"); n != 0 {
		t.Error("a forged relay made the meter lease")
	}
	w.checkCharged(0)
}
