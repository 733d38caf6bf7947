package raftfsm

import (
	"slices"

	"github.com/raftminer/raftminer/chain"
)

// intentIndex finds the intents of a session. It is derived from the intents and
// never encoded; its maps are only looked up, never walked.
type intentIndex struct {
	of map[chain.SessionKey][]IntentKey
}

func newIntentIndex() intentIndex {
	return intentIndex{of: make(map[chain.SessionKey][]IntentKey)}
}

// add files the intent under each of its sessions. The lists are kept sorted, so
// they are the same whether the intents came from the log or from a snapshot.
func (x intentIndex) add(i *Intent) {
	for _, key := range i.SessionKeys() {
		at, _ := slices.BinarySearchFunc(x.of[key], i.Key(), IntentKey.Compare)
		x.of[key] = slices.Insert(x.of[key], at, i.Key())
	}
}

// remove takes the intent out again.
func (x intentIndex) remove(i *Intent) {
	for _, key := range i.SessionKeys() {
		left := slices.DeleteFunc(x.of[key], func(k IntentKey) bool { return k == i.Key() })
		if len(left) == 0 {
			delete(x.of, key)
			continue
		}
		x.of[key] = left
	}
}
