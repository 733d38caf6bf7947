package raftfsm

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Node is one member of the group.
type Node struct {
	cfg     Config
	owner   string // node id # boot id
	log     *zap.Logger
	metrics *nodeMetrics

	raft       *raft.Raft
	fsm        *FSM
	reg        prometheus.Registerer
	store      storage
	identity   *keptIdentity
	stream     *peerStream
	network    *closeWatch
	transport  *progressTransport
	leadership *leadership
	failover   *failover
	words      chan bool      // what raft says of our leadership
	background sync.WaitGroup // goroutines that end with the node

	acquaintances *acquaintances

	leading     atomic.Pointer[Epoch]  // the epoch whose lead is running
	waiting     atomic.Pointer[string] // why this node is not in a group yet
	lastWrite   *moment                // when an entry committed here last
	writes      writeTimes
	transfers   transferGuard
	fitness     fitness
	requests    requests
	failOnce    sync.Once
	failed      chan struct{} // closed once failure is set
	failure     error
	started     chan struct{} // closed once raft is there
	closed      chan struct{} // closed when the shutdown begins
	ended       chan struct{} // closed when it is over
	closeOnce   sync.Once
	closeResult error
}

const (
	shutdownTimeout = 5 * time.Second
	notifyBuffer    = 64
)

// Open starts a member from its data directory. It takes part in elections from
// here on, so call Run at once: only Run lets it lead.
func Open(cfg Config, reg prometheus.Registerer, log *zap.Logger) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("raft config: %w", err)
	}
	identity, err := claimIdentity(cfg)
	if err != nil {
		return nil, err
	}
	stream, err := listenTCP(cfg)
	if err != nil {
		return nil, err
	}
	store, err := openStorage(cfg.DataDir, newRaftLogger(log))
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	n, err := open(cfg, identity, store, stream, reg, log)
	if err != nil {
		return nil, errors.Join(err, stream.Close(), store.close.Close())
	}
	return n, nil
}

// open starts a member on given storage and network, which it then owns.
func open(
	cfg Config, identity *keptIdentity, store storage, stream raft.StreamLayer, reg prometheus.Registerer, log *zap.Logger,
) (*Node, error) {
	n := &Node{
		cfg:        cfg,
		identity:   identity,
		owner:      cfg.NodeID + "#" + uuid.NewString(),
		reg:        reg,
		log:        log.Named("raftfsm").With(zap.String("node", cfg.NodeID)),
		store:      store,
		leadership: newLeadership(),
		words:      make(chan bool, notifyBuffer),
		lastWrite:  newMoment(),
		failed:     make(chan struct{}),
		started:    make(chan struct{}),
		closed:     make(chan struct{}),
		ended:      make(chan struct{}),

		acquaintances: newAcquaintances(),
	}
	n.metrics = newNodeMetrics(n)
	n.fsm = NewFSM(n.fail, n.metrics.observeApply, cfg.Ledger)
	n.failover = newFailover(n)
	var secure *peerIdentity
	if cfg.TLS != nil {
		secure = &peerIdentity{files: *cfg.TLS, clusterID: cfg.ClusterID}
	}
	n.stream = newPeerStream(stream, secure, n, n.log)
	n.network = newCloseWatch(n.stream, n.failover.peerClosed)
	if err := n.startRaft(newRaftLogger(log)); err != nil {
		return nil, err
	}
	if err := reg.Register(n.metrics); err != nil {
		return nil, errors.Join(fmt.Errorf("register raft metrics: %w", err), n.Close())
	}
	return n, nil
}

// Close stops the node without ceremony. Run does it too; calling it again is fine.
func (n *Node) Close() error {
	n.closeOnce.Do(func() {
		go func() {
			n.closeResult = n.shutdown()
			close(n.ended)
		}()
	})
	<-n.ended
	return n.closeResult
}

func (n *Node) shutdown() error {
	close(n.closed)
	n.reg.Unregister(n.metrics)
	n.network.mute() // peers that hang must not hold up the shutdown
	limit := time.NewTimer(shutdownTimeout)
	defer limit.Stop()
	done := make(chan error, 1)
	go func() {
		<-n.requests.drain() // cut off, a leader gives up within its lease and answers them
		done <- n.raft.Shutdown().Error()
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("shut raft down: %w", err)
		}
	case <-limit.C:
		// Something inside raft still uses the stores, so they stay open: the
		// process is about to end anyway.
		return fmt.Errorf("raft did not shut down within %s", shutdownTimeout)
	}
	close(n.words)
	n.background.Wait()
	err := n.transport.Close()
	if n.store.close != nil {
		err = errors.Join(err, n.store.close.Close())
	}
	return err
}

// fail stops the node for a reason that nothing here can cure.
func (n *Node) fail(reason error) {
	n.failOnce.Do(func() {
		n.failure = reason
		close(n.failed)
		n.log.Error("node must stop", zap.Error(reason))
		if errors.Is(reason, ErrDiskStalled) {
			go func() {
				n.network.mute()
				n.cfg.Exit(reason)
			}()
		}
	})
}

// pause waits for d; false means that the node closed meanwhile.
func (n *Node) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.closed:
		return false
	}
}
