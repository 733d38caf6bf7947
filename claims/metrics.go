package claims

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/claims/ledger"
	"github.com/raftminer/raftminer/raftfsm"
)

// Metrics counts what claims do. One set serves every leadership of a process.
type Metrics struct {
	stages       *prometheus.GaugeVec
	submitted    map[raftfsm.EffectKind]prometheus.Counter
	outcomes     map[raftfsm.EffectKind]*prometheus.CounterVec
	broadcasts   *prometheus.CounterVec
	proofNeeds   *prometheus.CounterVec
	ended        *prometheus.CounterVec
	upokt        *prometheus.CounterVec
	lostRelays   *prometheus.CounterVec
	foreignRoots prometheus.Counter
	keyless      prometheus.Gauge
	stepErrors   prometheus.Counter
	ordered      prometheus.Gauge
	priceUnknown prometheus.Counter
	unarchived   prometheus.Counter
	lost         prometheus.Counter
	gaps         *prometheus.GaugeVec
	atRisk       *prometheus.GaugeVec
	deadline     *prometheus.GaugeVec
	actionErrors *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help, label string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label})
	}
	return &Metrics{
		gaps:     gauge("ha_ledger_identity_gap", "Sessions known to the group for which an identity does not hold.", "identity"),
		atRisk:   gauge("ha_upokt_at_risk", "uPOKT of sessions whose claim or proof is due and not on chain yet, by what is due.", "stage"),
		deadline: gauge("ha_session_deadline_blocks", "Blocks left to the nearest claim or proof that is due; absent when none is.", "kind"),
		stages: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ha_miner_sessions_by_state", Help: "Sessions by stage, as the leader sees them.",
		}, []string{"state"}),
		submitted: map[raftfsm.EffectKind]prometheus.Counter{
			raftfsm.EffectClaim: counter("ha_miner_claims_submitted_total", "Claims seen on chain."),
			raftfsm.EffectProof: counter("ha_miner_proofs_submitted_total", "Proofs seen validated on chain."),
		},
		outcomes: map[raftfsm.EffectKind]*prometheus.CounterVec{
			raftfsm.EffectClaim: vec("ha_miner_claim_inclusion_outcome_total", "Claim transactions by what became of them.", "outcome"),
			raftfsm.EffectProof: vec("ha_miner_proof_inclusion_outcome_total", "Proof transactions by what became of them.", "outcome"),
		},
		broadcasts:   vec("ha_miner_tx_broadcasts_total", "Broadcasts by kind and the node's answer.", "kind", "result"),
		proofNeeds:   vec("ha_miner_proof_requirement_checks_total", "Claims by whether the chain requires a proof.", "requirement"),
		ended:        vec("ha_miner_sessions_ended_total", "Sessions by how they ended and why.", "state", "reason"),
		upokt:        vec("ha_miner_upokt_earned_total", "uPOKT that settled claims were worth, by service.", "service_id"),
		lostRelays:   vec("ha_miner_relays_unpaid_total", "Relays in trees that ended unpaid, by reason.", "reason"),
		foreignRoots: counter("ha_miner_foreign_claim_root_total", "Observations of a claim with a root that is not ours."),
		keyless: f.NewGauge(prometheus.GaugeOpts{
			Name: "ha_miner_sessions_without_key", Help: "Sessions that need a claim or a proof of a supplier whose key is not here.",
		}),
		ordered: f.NewGauge(prometheus.GaugeOpts{
			Name: "ha_miner_tx_ordered", Help: "1 if this leader found unordered transactions off and goes by account sequences.",
		}),
		lost:         counter("ha_miner_relays_declared_lost_total", "Relays that relayers or the last checkpoint knew and that were not in the tree when it was sealed."),
		priceUnknown: counter("ha_miner_gas_price_unknown_total", "Transactions priced by the configuration alone, because no node told what it asks for."),
		unarchived:   counter("ha_miner_claims_unarchived_total", "Claims sent before enough nodes had archived the tree."),
		stepErrors:   counter("ha_miner_claims_step_errors_total", "Blocks for which observing or planning failed."),
		actionErrors: vec("ha_miner_claims_action_errors_total", "Planned actions that failed, by action.", "action"),
	}
}

func (m *Metrics) observeStages(sessions []raftfsm.Session) {
	counts := make(map[raftfsm.Stage]int)
	for _, s := range sessions {
		counts[s.Stage]++
	}
	for _, stage := range raftfsm.Stages() {
		m.stages.WithLabelValues(stage.String()).Set(float64(counts[stage]))
	}
}

func (m *Metrics) resolved(intent raftfsm.Intent, r raftfsm.Resolve) {
	outcome := "landed"
	switch {
	case r.Status == raftfsm.IntentLanded:
		m.submitted[intent.Kind].Add(float64(len(intent.Sessions)))
	case r.Code != 0:
		outcome = "failed"
	default:
		outcome = "expired"
	}
	m.outcomes[intent.Kind].WithLabelValues(outcome).Inc()
}

func (m *Metrics) unpaid(s raftfsm.Session, stage raftfsm.Stage, why Reason) {
	m.ended.WithLabelValues(stage.String(), string(why)).Inc()
	m.lostRelays.WithLabelValues(string(why)).Add(float64(s.Count))
}

func (m *Metrics) paid(s raftfsm.Session, settlement chain.Settlement) {
	m.ended.WithLabelValues(raftfsm.StageSettled.String(), "").Inc()
	m.upokt.WithLabelValues(s.Ref.Service).Add(float64(settlement.Upokt))
}

// audited shows a look at all sessions.
func (m *Metrics) audited(gaps map[ledger.Identity]int, risk map[string]uint64, left map[string]int64) {
	for _, identity := range ledger.Identities() {
		m.gaps.WithLabelValues(string(identity)).Set(float64(gaps[identity]))
	}
	m.deadline.Reset()
	for _, kind := range []raftfsm.EffectKind{raftfsm.EffectClaim, raftfsm.EffectProof} {
		m.atRisk.WithLabelValues(kind.String()).Set(float64(risk[kind.String()]))
		if blocks, due := left[kind.String()]; due {
			m.deadline.WithLabelValues(kind.String()).Set(float64(blocks))
		}
	}
}

// forget takes back what only a leader can tell.
func (m *Metrics) forget() {
	m.ordered.Set(0)
	m.gaps.Reset()
	m.atRisk.Reset()
	m.deadline.Reset()
}
