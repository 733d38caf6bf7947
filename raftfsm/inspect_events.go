package raftfsm

import (
	"context"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// eventsAtOnce is how many events one answer has, give or take an entry.
const eventsAtOnce = 1000

// Events implements adminpb.InspectServer.
func (i *inspect) Events(_ context.Context, request *adminpb.EventsRequest) (*adminpb.EventsResponse, error) {
	_, leader := i.node.raft.LeaderWithID()
	if request.GetLatest() {
		upTo := i.node.fsm.lastIndex()
		if upTo == 0 { // nothing came since a snapshot
			upTo = i.node.raft.AppliedIndex()
		}
		return &adminpb.EventsResponse{UpTo: upTo, LeaderId: string(leader)}, nil
	}
	events, upTo, complete := i.node.fsm.events(request.GetAfter(), eventsAtOnce)
	response := &adminpb.EventsResponse{UpTo: upTo, CompleteAfter: complete, LeaderId: string(leader)}
	for _, e := range events {
		response.Events = append(response.Events, eventRecord(e))
	}
	return response, nil
}

func eventRecord(e Event) *adminpb.Event {
	record := &adminpb.Event{
		Index: e.Index, Event: e.Name, Supplier: e.Session.Supplier, SessionId: e.Session.SessionID,
		Member: e.Member, Detail: e.Detail,
	}
	if e.Intent != (IntentKey{}) {
		record.Intent = e.Intent.String()
	}
	if !e.Epoch.IsZero() {
		record.Epoch = e.Epoch.String()
	}
	return record
}
