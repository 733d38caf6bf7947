package relayproxy

import (
	"context"
	"errors"
	"net"

	"github.com/valyala/fasthttp"
)

// outcome of a backend call, a metric label.
type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeUnreachable
	outcomeTimeout
	outcomeTooLarge
	outcomeCancelled
	outcomeCount
)

func (o outcome) String() string {
	return [outcomeCount]string{"ok", "unreachable", "timeout", "too_large", "cancelled"}[o]
}

func (o outcome) reason() Reason {
	return [outcomeCount]Reason{outcomeUnreachable: ReasonBackendUnreachable, outcomeTimeout: ReasonBackendTimeout, outcomeTooLarge: ReasonResponseTooLarge, outcomeCancelled: ReasonClientGone}[o]
}

func (o outcome) detail() string {
	return [outcomeCount]string{
		outcomeUnreachable: "the backend did not answer",
		outcomeTimeout:     "the backend did not answer in time",
		outcomeTooLarge:    "the backend's answer is larger than this service allows",
		outcomeCancelled:   "the client hung up",
	}[o]
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcomeOK // before anything is allocated to judge an error
	}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return outcomeCancelled
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return outcomeTooLarge
	case errors.Is(err, fasthttp.ErrDialTimeout), errors.As(err, &dial) && dial.Op == "dial":
		return outcomeUnreachable
	case errors.Is(err, fasthttp.ErrTimeout), isTimeout(err):
		return outcomeTimeout
	}
	return outcomeUnreachable
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
