package relayproxy

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"
)

// errNoMessage ends a call whose message has not come.
var errNoMessage = errors.New("the message has not come in time")

// callContext is the context of a call. It ends when the message has not come in time,
// which gRPC has no timeout for but the client's own: the context that a call begins
// with is the only thing that reading obeys.
type callContext struct {
	context.Context
	timer *time.Timer
}

// messageTimer is the key of the timer in a call's context.
type messageTimer struct{}

// messageWithin gives every call so much time for its message.
func messageWithin(timeout time.Duration) tap.ServerInHandle {
	return func(ctx context.Context, _ *tap.Info) (context.Context, error) {
		ctx, cancel := context.WithCancelCause(ctx) // gRPC ends its parent with the call
		return &callContext{ctx, time.AfterFunc(timeout, func() { cancel(errNoMessage) })}, nil
	}
}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if key == (messageTimer{}) {
		return c.timer
	}
	return c.Context.Value(key)
}

// Err implements context.Context. It is the status that the client gets.
func (c *callContext) Err() error {
	if errors.Is(context.Cause(c.Context), errNoMessage) {
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}

// readMessage is the one message of a call.
func readMessage(call grpc.ServerStream) (body []byte, err error) {
	err = call.RecvMsg(&body)
	if timer, ok := call.Context().Value(messageTimer{}).(*time.Timer); ok {
		timer.Stop()
	}
	return body, err
}
