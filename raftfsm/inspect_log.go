package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

const (
	logDefault = 100
	logMax     = 1000
)

// Log implements adminpb.InspectServer.
func (i *inspect) Log(_ context.Context, request *adminpb.LogRequest) (*adminpb.LogResponse, error) {
	logs, limit := i.node.store.logs, uint64(min(request.GetLimit(), logMax))
	if limit == 0 {
		limit = logDefault
	}
	first, err := logs.FirstIndex()
	if err != nil {
		return nil, status.Errorf(codes.Unknown, "read the start of the log: %v", err)
	}
	// What is not committed yet may still be replaced by something else.
	response := &adminpb.LogResponse{FirstIndex: first, CommitIndex: i.node.raft.CommitIndex()}
	from := request.GetFrom()
	if from == 0 {
		from = response.CommitIndex + 1 - min(limit, response.CommitIndex)
	}
	from = max(from, first, 1)
	for index := from; index <= response.CommitIndex && index < from+limit; index++ {
		var entry raft.Log
		err := logs.GetLog(index, &entry)
		if errors.Is(err, raft.ErrLogNotFound) {
			// Compacted while we read: what was found so far no longer reaches back to
			// where it should, so begin again behind the gap.
			response.Entries, response.FirstIndex = nil, index+1
			continue
		}
		if err != nil {
			return nil, status.Errorf(codes.Unknown, "read log entry %d: %v", index, err)
		}
		response.Entries = append(response.Entries, logEntry(&entry))
	}
	return response, nil
}

func logEntry(l *raft.Log) *adminpb.LogEntry {
	entry := &adminpb.LogEntry{Index: l.Index, Term: l.Term, Type: logType(l.Type), Size: uint32(len(l.Data))}
	if !l.AppendedAt.IsZero() {
		entry.AppendedUnixMs = l.AppendedAt.UnixMilli()
	}
	switch l.Type {
	case raft.LogCommand:
		cmd, err := DecodeCommand(l.Data)
		if err != nil {
			entry.Summary = err.Error()
			break
		}
		entry.Kind, entry.Summary = cmd.Kind().String(), Summarize(cmd)
	case raft.LogConfiguration:
		entry.Summary = summarizeMembers(raft.DecodeConfiguration(l.Data))
	}
	return entry
}

func summarizeMembers(c raft.Configuration) string {
	var parts []string
	for _, s := range c.Servers {
		parts = append(parts, fmt.Sprintf("%s %s at %s", suffrageName(s.Suffrage), s.ID, s.Address))
	}
	return strings.Join(parts, ", ")
}

func logType(t raft.LogType) string {
	switch t {
	case raft.LogCommand:
		return "command"
	case raft.LogNoop:
		return "noop"
	case raft.LogBarrier:
		return "barrier"
	case raft.LogConfiguration:
		return "configuration"
	}
	return fmt.Sprintf("type(%d)", t)
}
