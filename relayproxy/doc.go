// Package relayproxy is the relay server. Every relay, on every transport,
// goes through one pipeline: decode, verify, forward, sign, publish, reply.
// A transport is an adapter that brings bytes to the pipeline and carries its
// answer back; it never decides what is verified, signed or mined.
//
// A client is given a signed answer only after the relay is in the stream that
// claims are made from. Everything else is a typed refusal.
package relayproxy
