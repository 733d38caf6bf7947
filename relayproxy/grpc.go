package relayproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// The relay service that gateways call over gRPC: a RelayRequest in, a RelayResponse
// out, refusals included; one for each event if the backend streams.
const (
	relayService = "pocket.service.RelayService"
	relayMethod  = "SendRelay"
	relayPath    = "/" + relayService + "/" + relayMethod
)

// grpcType is the content type of calls and answers.
const grpcType = "application/grpc"

// handleGRPC serves one relay. What is refused is answered too: gateways read the
// code in the response, and the status as the health of the supplier.
func (s *Server) handleGRPC(w http.ResponseWriter, r *http.Request) {
	call := grpcCall{w, http.NewResponseController(w)}
	if s.draining.Load() {
		s.late.Add(1)
		w.Header().Set("Connection", "close") // GOAWAY
	}
	switch {
	case !strings.HasPrefix(r.Header.Get("Content-Type"), grpcType):
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case r.URL.Path != relayPath || r.Method != http.MethodPost:
		call.end(codes.Unimplemented, "only "+relayPath+" is served")
		return
	}
	h := s.pipeline.admission.hold()
	defer h.leave()
	arrived := time.Now()
	body, err := s.readCall(r.Body, h)
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		call.end(statusOf(err))
		return
	}
	var out answer
	var served *relay
	if err == nil {
		out, served, refusal = s.pipeline.serve(r.Context(), h, incoming{
			body: body, rpcType: []byte(r.Header.Get(headerRPCType)), simulate: []byte(r.Header.Get(headerSimulation)), arrived: arrived,
		})
	}
	if refusal != nil {
		out.reply = s.refuse(served, refusal)
	}
	if out.stream == nil {
		_ = call.send(out.reply) // the client may be gone
	} else {
		s.send(out.stream, out.reply, call.sendNow)
	}
	call.end(codes.OK, "")
}

// readCall reads the message of a call. Those that wait for theirs are bounded: a
// connection may begin many at once.
func (s *Server) readCall(from io.Reader, h *held) ([]byte, error) {
	if !h.of.arriving.take() {
		return nil, &Refusal{Reason: ReasonOverloaded, Detail: "too many calls wait for their messages"}
	}
	defer h.of.arriving.give()
	return readGRPC(from, h, s.pipeline.maxRequestBody)
}

// errMessage is a call whose message cannot be served.
type errMessage struct {
	code codes.Code
	text string
}

func (e errMessage) Error() string { return e.text }

// readGRPC reads the one message of a call, counting what has come.
func readGRPC(from io.Reader, h *held, limit int) ([]byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	switch {
	case head[0] != 0:
		return nil, errMessage{codes.Unimplemented, "compressed messages are not taken"}
	case size > int64(limit):
		return nil, errMessage{codes.ResourceExhausted, "at most " + strconv.Itoa(limit) + " bytes are taken"}
	}
	return h.read(io.LimitReader(from, size), int(size), limit)
}

// statusOf is how a call ends that has no message.
func statusOf(err error) (codes.Code, string) {
	var message errMessage
	switch {
	case errors.As(err, &message):
		return message.code, message.text
	case errors.Is(err, os.ErrDeadlineExceeded):
		return codes.DeadlineExceeded, "the message has not come in time"
	}
	return codes.InvalidArgument, "the message has not come whole"
}

// grpcCall is how a call is answered.
type grpcCall struct {
	http.ResponseWriter
	control *http.ResponseController
}

// send sends a message, with the status behind it if it is the last.
func (c grpcCall) send(message []byte) error {
	if err := c.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	c.Header().Set("Content-Type", grpcType)
	if _, err := c.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))); err != nil {
		return err
	}
	_, err := c.Write(message)
	return err
}

// sendNow is send for a message that others follow later.
func (c grpcCall) sendNow(message []byte) error {
	if err := c.send(message); err != nil {
		return err
	}
	return c.control.Flush()
}

// end says how the call went. Text is ASCII.
func (c grpcCall) end(code codes.Code, text string) {
	header := c.Header()
	header.Set("Content-Type", grpcType)
	header.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(code)))
	if text != "" {
		header.Set(http.TrailerPrefix+"Grpc-Message", text)
	}
}
