package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm"
)

// Exit codes, as in docs/exit-codes.md.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDegraded    = 3
	exitNotFound    = 4
	exitInvalid     = 5
	exitUnreachable = 6
	exitNoLeader    = 7
	exitRefused     = 8
	exitPermission  = 9
	exitInterrupted = 130
)

// usageError marks errors of the command line itself.
type usageError struct{ error }

// invalidError marks what was read and makes no sense.
type invalidError struct{ error }

func (e invalidError) Unwrap() error { return e.error }

// errDegraded: it works, but something needs attention.
var errDegraded = errors.New("degraded")

// errNoLeader: members answered, but none leads.
var errNoLeader = errors.New("the group has no leader")

func exitCode(err error) int {
	var usage usageError
	var invalid invalidError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &invalid):
		return exitInvalid
	case errors.Is(err, errDegraded):
		return exitDegraded
	case errors.Is(err, errNoContext):
		return exitNotFound
	case errors.Is(err, errNoLeader):
		return exitNoLeader
	case errors.Is(err, errExists), errors.Is(err, fs.ErrExist), errors.Is(err, errNotConfirmed), errors.Is(err, errNotCaughtUp),
		errors.Is(err, raftfsm.ErrInUse):
		return exitRefused
	case errors.Is(err, raftfsm.ErrCorrupt), errors.Is(err, raftfsm.ErrLostData):
		return exitInvalid
	case errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.Is(err, raftfsm.ErrCertificate):
		return exitInvalid
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	case errors.Is(err, context.DeadlineExceeded):
		return exitUnreachable
	}
	switch status.Code(err) {
	case codes.Unavailable:
		return exitOfConnection(err.Error())
	case codes.DeadlineExceeded:
		return exitUnreachable
	case codes.InvalidArgument:
		return exitInvalid
	case codes.NotFound:
		return exitNotFound
	case codes.FailedPrecondition:
		return exitNoLeader
	case codes.Aborted, codes.OutOfRange:
		return exitRefused
	case codes.PermissionDenied, codes.Unauthenticated:
		return exitPermission
	}
	return exitFailed
}

// exitOfConnection tells a peer that is not there from one that refuses us, or that
// we refuse. gRPC hands on no more of a handshake than its words.
func exitOfConnection(words string) int {
	switch {
	case strings.Contains(words, raftfsm.ErrPeer.Error()), strings.Contains(words, "remote error: tls: "):
		return exitPermission
	case strings.Contains(words, raftfsm.ErrCertificate.Error()):
		return exitInvalid
	}
	return exitUnreachable
}
