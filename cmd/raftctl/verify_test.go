package main

import (
	"errors"
	"testing"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

func TestVerdicts(t *testing.T) {
	member := func(id string, hash byte, err string) *adminpb.MemberHash {
		return &adminpb.MemberHash{Id: id, Hash: []byte{hash}, Error: err}
	}
	for name, test := range map[string]struct {
		members []*adminpb.MemberHash
		want    int
	}{
		"all equal":                 {[]*adminpb.MemberHash{member("a", 1, ""), member("b", 1, "")}, exitOK},
		"one differs":               {[]*adminpb.MemberHash{member("a", 1, ""), member("b", 2, "")}, exitFailed},
		"one is silent":             {[]*adminpb.MemberHash{member("a", 1, ""), member("b", 0, "gone")}, exitDegraded},
		"one differs, one is gone":  {[]*adminpb.MemberHash{member("a", 1, ""), member("b", 2, ""), member("c", 0, "gone")}, exitFailed},
		"the leader is alone right": {[]*adminpb.MemberHash{member("a", 1, ""), member("b", 2, ""), member("c", 2, "")}, exitFailed},
	} {
		err := verdict(judge(&adminpb.VerifyResponse{Index: 9, Hash: []byte{1}, Members: test.members}))
		if got := exitCode(err); got != test.want {
			t.Errorf("%s: exit %d, want %d: %v", name, got, test.want, err)
		}
		if test.want == exitFailed && !errors.Is(err, errDifferent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
