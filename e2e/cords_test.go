package e2e

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
)

// cords lead every miner to Redis and to the chain, each through a connection of
// its own that can be held: bytes then stay where they are and new connections get
// no answer, as behind a firewall that drops packets.
type cords struct {
	t     *testing.T
	mu    sync.Mutex
	cords map[string]*cord // by miner/redis and miner/chain
}

func newCords(t *testing.T) *cords {
	c := &cords{t: t, cords: make(map[string]*cord)}
	t.Cleanup(c.close)
	return c
}

// edit plugs the cords into a configuration.
func (c *cords) edit(name string, config map[string]any) {
	redis := config["redis"].(map[string]any)
	redis["url"] = c.through(name+"/redis", redis["url"].(string))
	node := config["chain"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
	node["rpc"] = c.through(name+"/chain", node["rpc"].(string))
	node["grpc"] = c.through(name+"/chain", node["grpc"].(string))
}

// through is raw, reached over the named cord.
func (c *cords) through(name, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cords[name] == nil {
		c.cords[name] = &cord{flow: make(chan struct{})}
		close(c.cords[name].flow)
	}
	c.cords[name].listeners = append(c.cords[name].listeners, l)
	go c.cords[name].serve(l, u.Host)
	u.Host = l.Addr().String()
	return u.String()
}

// hold stops the named cords, and release lets them flow again.
func (c *cords) hold(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		c.cords[name].hold()
	}
}

func (c *cords) release(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		c.cords[name].release()
	}
}

func (c *cords) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.cords {
		one.release()
		for _, l := range one.listeners {
			_ = l.Close()
		}
	}
}

// cord is the way to one server.
type cord struct {
	listeners []net.Listener
	mu        sync.Mutex
	flow      chan struct{} // closed while bytes flow
}

func (c *cord) flowing() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flow
}

func (c *cord) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flow = make(chan struct{})
}

func (c *cord) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.flow:
	default:
		close(c.flow)
	}
}

func (c *cord) serve(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			<-c.flowing()
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				return
			}
			go c.copy(in, out)
			c.copy(out, in)
		}()
	}
}

// copy moves bytes from one side to the other while they flow.
func (c *cord) copy(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		<-c.flowing()
		if n > 0 {
			_, writeErr := to.Write(buffer[:n])
			err = errors.Join(err, writeErr)
		}
		if err != nil {
			break
		}
	}
	_ = errors.Join(to.Close(), from.Close()) // either side may hang up first
}
