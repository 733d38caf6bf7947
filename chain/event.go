package chain

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"
)

// EventKind is what an event is about.
type EventKind uint8

// The kinds.
const (
	EventMissed      EventKind = iota // blocks could not be read: anything may have changed
	EventParams                       // of some module
	EventApplication                  // its stake, its delegations; any application's if none is named
	EventGateway                      // staked, or leaving
	EventSupplier                     // staked, leaving, or serving other services
	EventSlashed                      // a supplier
)

// String implements fmt.Stringer.
func (k EventKind) String() string {
	return [...]string{"missed", "params", "application", "gateway", "supplier", "slashed"}[k]
}

// Event is something that a block changed of what answers are made of. Claims and
// difficulties are none: answers about them are of a height, and claims look for
// their settlement themselves.
type Event struct {
	Kind   EventKind
	Height int64
	Name   string // as EventSupplierUnbondingBegin, or shared.MsgUpdateParam
	// Whom it is about, as far as it says so.
	Supplier, Application, Service string
}

// eventsOf are the events that matter here. Only what names their subjects is decoded.
func eventsOf(height int64, raw []abci.Event) (events []Event) {
	for _, r := range raw {
		kind, name := kindOf(r.Type)
		if name == "" {
			continue
		}
		e := Event{Kind: kind, Height: height, Name: name}
		for _, a := range r.Attributes {
			e.name(a.Key, a.Value)
		}
		events = append(events, e)
	}
	return events
}

// signs are what the text of a block's results has if the block has an event that
// matters, or a message within which others ran.
var signs = [][]byte{
	[]byte("pocket.application."), []byte("pocket.gateway."), []byte("pocket.supplier."), []byte("EventSupplierSlashed"),
	[]byte("MsgUpdateParam"), []byte("MsgExec"), []byte("active_proposal"),
}

// uneventful reports that results, as a node sent them, have no event that matters.
func uneventful(results []byte) bool {
	return bytes.Contains(results, []byte(`"finalize_block_events"`)) && // else it is an error
		!slices.ContainsFunc(signs, func(sign []byte) bool { return bytes.Contains(results, sign) })
}

// kindOf follows the typed events of poktroll's modules; no name is none that matters.
func kindOf(event string) (kind EventKind, name string) {
	if event == "active_proposal" { // of x/gov: its messages have run, and leave no trace of their own
		return EventParams, event
	}
	path, ok := strings.CutPrefix(event, "pocket.")
	if !ok {
		return 0, ""
	}
	module, name, _ := strings.Cut(path, ".")
	switch {
	case module == "application":
		return EventApplication, name
	case module == "gateway":
		return EventGateway, name
	case module == "supplier":
		return EventSupplier, name
	case name == "EventSupplierSlashed":
		return EventSlashed, name
	}
	return 0, ""
}

// name takes the subject from an attribute of a typed event, whose values are JSON.
func (e *Event) name(key, value string) {
	var whole struct {
		Address         string `json:"address"`
		OperatorAddress string `json:"operator_address"`
	}
	switch key {
	case "application_address":
		e.Application = strings.Trim(value, `"`)
	case "operator_address", "supplier_operator_address":
		e.Supplier = strings.Trim(value, `"`)
	case "service_id":
		e.Service = strings.Trim(value, `"`)
	case "application":
		_ = json.Unmarshal([]byte(value), &whole) // unnamed: it is taken for any application
		e.Application = whole.Address
	case "supplier":
		_ = json.Unmarshal([]byte(value), &whole)
		e.Supplier = whole.OperatorAddress
	}
}

// paramMsg finds the messages that change params, however deep in others a
// transaction has them: they leave no event, and come wrapped in authz messages.
var paramMsg = regexp.MustCompile(`/pocket\.(\w+)\.(MsgUpdateParams?)`)

func paramEventsOf(height int64, tx []byte) (events []Event) {
	for _, match := range paramMsg.FindAllSubmatch(tx, -1) {
		events = append(events, Event{Kind: EventParams, Height: height, Name: string(match[1]) + "." + string(match[2])})
	}
	return events
}
