package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// rack gives every miner a network namespace of its own, all plugged into one
// bridge. Redis and the chain stay where they are and are reached through the
// bridge's address. It takes root, and iproute2.
//
// A direction of a link is cut with a neighbour entry that leads nowhere: packets
// leave and nobody takes them, as with a broken cable.
type rack struct {
	t      *testing.T
	id     string
	subnet string
	places map[string]int // miner to its number

	mu       sync.Mutex
	forwards map[string]net.Listener // by the loopback address that they lead to
}

func newRack(t *testing.T, names []string) *rack {
	t.Helper()
	r := &rack{t: t, places: make(map[string]int), forwards: make(map[string]net.Listener)}
	r.addBridge()
	t.Cleanup(r.remove)
	r.ip("addr", "add", r.host()+"/24", "dev", r.id)
	r.ip("link", "set", r.id, "up")
	for i, name := range names {
		r.places[name] = i + 1
		r.plug(name)
	}
	return r
}

// addBridge finds a name that no other rack has; the subnet goes with it.
func (r *rack) addBridge() {
	r.t.Helper()
	pid := os.Getpid()
	var out []byte
	for i := range 8 {
		r.id, r.subnet = fmt.Sprintf("rm%x%c", pid, 'a'+i), fmt.Sprintf("10.%d.%d", 200+i, pid%250)
		var err error
		if out, err = exec.Command("ip", "link", "add", r.id, "type", "bridge").CombinedOutput(); err == nil {
			return
		}
	}
	r.t.Fatalf("make a bridge: %s (this test makes network namespaces: it needs root and iproute2)", out)
}

// plug makes the namespace of a miner and connects it to the bridge.
func (r *rack) plug(name string) {
	r.t.Helper()
	ns := r.namespace(name)
	outside, inside := fmt.Sprintf("%sv%d", r.id, r.places[name]), fmt.Sprintf("%sp%d", r.id, r.places[name])
	r.ip("netns", "add", ns)
	r.ip("link", "add", outside, "type", "veth", "peer", "name", inside)
	r.ip("link", "set", inside, "netns", ns)
	r.ip("link", "set", outside, "master", r.id)
	r.ip("link", "set", outside, "up")
	r.ip("-n", ns, "link", "set", "lo", "up")
	r.ip("-n", ns, "addr", "add", r.address(name)+"/24", "dev", inside)
	r.ip("-n", ns, "link", "set", inside, "up")
}

func (r *rack) namespace(name string) string { return fmt.Sprintf("%s-%d", r.id, r.places[name]) }
func (r *rack) host() string                 { return r.subnet + ".1" }
func (r *rack) address(name string) string   { return fmt.Sprintf("%s.%d", r.subnet, 10+r.places[name]) }

// place is where the devnet runs a child.
func (r *rack) place(name string) devnet.Placement {
	if _, racked := r.places[name]; !racked {
		return devnet.Placement{}
	}
	return devnet.Placement{Host: r.address(name), Under: []string{"ip", "netns", "exec", r.namespace(name)}}
}

// cut drops what one miner sends to another; mend undoes it.
func (r *rack) cut(from, to string)  { r.neighbour("replace", from, to) }
func (r *rack) mend(from, to string) { r.neighbour("del", from, to) }

func (r *rack) neighbour(verb, from, to string) {
	r.t.Helper()
	args := []string{"-n", r.namespace(from), "neigh", verb, r.address(to), "dev", fmt.Sprintf("%sp%d", r.id, r.places[from])}
	if verb == "replace" {
		args = append(args, "lladdr", "02:00:00:00:00:01", "nud", "permanent")
	}
	r.ip(args...)
}

func (r *rack) ip(args ...string) {
	r.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		r.t.Fatalf("ip %s: %v: %s (this test makes network namespaces: it needs root and iproute2)", strings.Join(args, " "), err, out)
	}
}

// remove takes everything away again; what was not made is not missed.
func (r *rack) remove() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.forwards {
		_ = l.Close()
	}
	for name := range r.places {
		_ = exec.Command("ip", "netns", "del", r.namespace(name)).Run()
	}
	_ = exec.Command("ip", "link", "del", r.id).Run()
}

// edit makes a miner's configuration fit for its namespace: what is on loopback is
// reached through the bridge, and raft is off loopback, so it needs certificates.
func (r *rack) edit(certs string) func(name string, config map[string]any) {
	return func(name string, config map[string]any) {
		if _, racked := r.places[name]; !racked {
			return
		}
		redis := config["redis"].(map[string]any)
		redis["url"] = r.through(redis["url"].(string))
		node := config["chain"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
		node["rpc"], node["grpc"] = r.through(node["rpc"].(string)), r.through(node["grpc"].(string))
		raft := config["miner"].(map[string]any)["raft"].(map[string]any)
		raft["tls"] = map[string]any{
			"ca":   filepath.Join(certs, "ca.crt"),
			"cert": filepath.Join(certs, name+".crt"),
			"key":  filepath.Join(certs, name+".key"),
		}
		// Nothing but a cut may move leadership, however busy the machine is.
		raft["heartbeat_timeout"], raft["election_timeout"], raft["leader_lease_timeout"] = "1s", "1s", "500ms"
	}
}

// through is the URL of a loopback server as the namespaces reach it.
func (r *rack) through(raw string) string {
	r.t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, known := r.forwards[u.Host]
	if !known {
		if l, err = net.Listen("tcp", r.host()+":0"); err != nil {
			r.t.Fatal(err)
		}
		r.forwards[u.Host] = l
		go forward(l, u.Host)
	}
	u.Host = l.Addr().String()
	return u.String()
}

// forward copies connections to an address until the listener closes.
func forward(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				return
			}
			go pipe(in, out)
			pipe(out, in)
		}()
	}
}

func pipe(to, from net.Conn) {
	_, err := io.Copy(to, from)
	_ = errors.Join(err, to.Close(), from.Close()) // either side may hang up
}

// certificates makes a CA and a certificate for every miner.
func certificates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	raftctl := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(binary(t, "raftctl"), append(args, "--dir", dir)...).CombinedOutput(); err != nil {
			t.Fatalf("raftctl %v: %v\n%s", args, err, out)
		}
	}
	raftctl("certs", "init", "--cluster", "devnet")
	for _, miner := range miners {
		raftctl("certs", "issue", miner)
	}
	return dir
}
