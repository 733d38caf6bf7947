package raftfsm

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/metadata"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// Ledger keeps the sessions that the group forgets, with their intents, on the disk
// of one member. Its methods may be called from any goroutine.
type Ledger interface {
	// Keep takes sessions in, in the order of the log. It must not block. After a
	// restart it is told of some again: a session is kept once.
	Keep(forgotten []*adminpb.SessionResponse)
	// Sync returns when all that was taken in is durable.
	Sync() error
	// Find is one session; nil if it was not kept.
	Find(key chain.SessionKey) (*adminpb.SessionResponse, error)
	// Page lists about as many as limit from a token on, "" being the first. The
	// token of the page after the last is "".
	Page(token string, limit int) (kept []*adminpb.SessionResponse, next string, err error)
}

const (
	// fillRetry is the wait before a member is asked again for its ledger.
	fillRetry = 10 * time.Second
	// fillTimeout bounds one page of it.
	fillTimeout = 10 * time.Second
)

// forgetting are the sessions that cmd is about to drop.
func (f *FSM) forgetting(cmd Command) (forgotten []*adminpb.SessionResponse) {
	c, is := cmd.(*Forget)
	if !is || f.ledger == nil {
		return nil
	}
	for _, key := range c.Keys {
		if known := f.state.session(key); known != nil {
			forgotten = append(forgotten, f.state.account(known))
		}
	}
	return forgotten
}

// account is a session with every intent that it is or was in.
func (s *State) account(r *Session) *adminpb.SessionResponse {
	account := &adminpb.SessionResponse{Session: sessionRecord(r)}
	for _, intent := range s.IntentsOf(r.Ref.Key()) {
		account.Intents = append(account.Intents, intentRecord(&intent))
	}
	return account
}

// fillLedger asks the other members for what they kept, whenever a snapshot has
// replaced the state: what the group forgot before it is in no entry that comes.
func (n *Node) fillLedger() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n.background.Go(func() { <-n.closed; cancel() })
	for {
		select {
		case <-n.closed:
			return
		case <-n.fsm.restored:
		}
		asked := make(map[string]bool)
		for !n.fillFrom(ctx, asked) {
			if !n.pause(fillRetry) {
				return
			}
		}
	}
}

// fillFrom asks those that were not asked yet, and says whether all were.
func (n *Node) fillFrom(ctx context.Context, asked map[string]bool) bool {
	all := true
	for _, s := range n.servers() {
		id := string(s.ID)
		if id == n.cfg.NodeID || asked[id] {
			continue
		}
		if err := n.copyLedger(ctx, string(s.Address)); err != nil {
			n.log.Debug("ledger of a member not read, trying again", zap.String("member", id), zap.Error(err))
			all = false
			continue
		}
		asked[id] = true
	}
	return all
}

func (n *Node) copyLedger(ctx context.Context, addr string) (err error) {
	conn, err := n.peerConn(addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	request := &adminpb.AccountsRequest{Ledger: true}
	for {
		pageCtx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, StaleKey, "1"), fillTimeout)
		answer, err := adminpb.NewInspectClient(conn).Accounts(pageCtx, request)
		cancel()
		if err != nil {
			return err
		}
		n.cfg.Ledger.Keep(answer.GetAccounts())
		if request.PageToken = answer.GetNextPageToken(); request.PageToken == "" {
			return nil
		}
	}
}
