package claims

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/failpoint"
	"github.com/raftminer/raftminer/raftfsm"
)

// maxTxBytes keeps a transaction well under CometBFT's default mempool limit.
const maxTxBytes = 512 << 10

// submit simulates, intends and broadcasts one transaction. What does not
// simulate or fit is halved until the message that is at fault stands alone.
func (e *Engine) submit(ctx context.Context, block chain.Block, kind raftfsm.EffectKind, messages []message, marks *marks) error {
	key, ok := e.keys.Key(messages[0].session.Ref.Supplier)
	if !ok {
		return fmt.Errorf("no key for supplier %s", messages[0].session.Ref.Supplier)
	}
	if e.queued(key.Address()) {
		marks.hold(sessionsOf(messages))
		return nil
	}
	draft, err := e.draft(ctx, key, kind, block, messages)
	if errors.Is(err, chain.ErrNoUnordered) {
		e.keepOrder(err)
		return nil // planned again in this block
	}
	if err != nil && len(messages) > 1 && ctx.Err() == nil && ofMessages(err) {
		half := len(messages) / 2
		return errors.Join(
			e.submit(ctx, block, kind, messages[:half], marks),
			e.submit(ctx, block, kind, messages[half:], marks))
	}
	if err != nil {
		marks.hold(sessionsOf(messages))
		return fmt.Errorf("%s: %w", kind, err)
	}
	intent, err := e.intend(ctx, block.Height, key, kind, messages, draft)
	if err != nil {
		marks.hold(sessionsOf(messages))
		return err
	}
	marks.send(intent.Key())
	failpoint.Hit("claims." + kind.String() + "_before_broadcast")
	err = e.broadcast(ctx, intent)
	failpoint.Hit("claims." + kind.String() + "_after_broadcast")
	return err
}

// ofMessages says that fewer messages may fare better. What is wrong with the nodes, the
// price or the account is so with any.
func ofMessages(err error) bool {
	for _, other := range []error{chain.ErrNoNode, errPrice, chain.ErrSequence} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// intend puts the signed bytes into the log. The intent that stands is the
// first one of its batch and attempt; only its bytes may be sent.
func (e *Engine) intend(ctx context.Context, height int64, key *chain.SupplierKey, kind raftfsm.EffectKind, messages []message, draft signedDraft) (raftfsm.Intent, error) {
	tx, err := e.chain.SignTx(ctx, key, draft.TxDraft)
	if err != nil {
		return raftfsm.Intent{}, err
	}
	hash := sha256.Sum256(tx)
	intent := raftfsm.Intent{
		Batch: draft.batch, Attempt: draft.attempt, Kind: kind, Supplier: key.Address(),
		Timeout: draft.Timeout.UnixNano(), Tx: tx, TxHash: hash[:], IntendedHeight: height,
	}
	for _, m := range messages {
		intent.Sessions = append(intent.Sessions, raftfsm.IntentSession{SessionID: m.session.Ref.SessionID, Root: m.session.Root})
	}
	result, err := e.log.Apply(ctx, raftfsm.Intend{Epoch: e.epoch, Intent: intent})
	if err != nil {
		return raftfsm.Intent{}, fmt.Errorf("intend %s %s: %w", kind, intent.Key(), err)
	}
	e.logger.Info("transaction intended", zap.Stringer("kind", kind), zap.Stringer("intent", intent.Key()),
		zap.String("supplier", intent.Supplier), zap.Int("sessions", len(messages)))
	return result.Intent, nil
}

// broadcast sends the bytes of an intent, once leadership is verified. That
// check is no guarantee, a process may be stopped right after it: what makes a
// late broadcast harmless is that the bytes are the intended ones, and that the
// chain runs them at most once.
func (e *Engine) broadcast(ctx context.Context, intent raftfsm.Intent) error {
	if err := e.log.VerifyLeader(ctx); err != nil {
		e.metrics.broadcasts.WithLabelValues(intent.Kind.String(), "not_leader").Inc()
		e.logger.Warn("broadcast refused: leadership is not verified", zap.Stringer("intent", intent.Key()), zap.Error(err))
		return fmt.Errorf("%w: verify leadership before broadcast: %w", raftfsm.ErrNotLeader, err)
	}
	err := e.chain.Broadcast(ctx, intent.Tx)
	switch {
	case errors.Is(err, chain.ErrTxRefused):
		// Perhaps it has landed already. Observing decides, not this answer.
		e.metrics.broadcasts.WithLabelValues(intent.Kind.String(), "refused").Inc()
		e.logger.Debug("node refused the transaction", zap.Stringer("intent", intent.Key()), zap.Error(err))
		return nil
	case err != nil:
		e.metrics.broadcasts.WithLabelValues(intent.Kind.String(), "failed").Inc()
		return fmt.Errorf("broadcast %s: %w", intent.Key(), err)
	}
	e.metrics.broadcasts.WithLabelValues(intent.Kind.String(), "accepted").Inc()
	return nil
}
