package raftfsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// helloVersion is bumped when two builds must not talk at all.
const helloVersion = 1

// maxHello bounds what a stranger can make a member read.
const maxHello = 16 << 10

// purpose is the first byte of a connection between members: what it is for.
type purpose byte

const (
	purposeRaft  purpose = 'R' // the library's own protocol follows
	purposeProbe purpose = 'P' // the hellos are all
	purposeAdmin purpose = 'A' // the admin API follows; there are no hellos
)

// hello is what members tell each other before anything else. A raft connection
// between members that must not meet would end in two groups, or in a vote that
// was given twice.
type hello struct {
	Protocol  int    `cbor:"1,keyasint"`
	ClusterID string `cbor:"2,keyasint"`
	NodeID    string `cbor:"3,keyasint"`
	Address   string `cbor:"4,keyasint"` // advertised
	Instance  string `cbor:"5,keyasint"`
	// Admission is the number under which the group admitted Instance, as far as
	// this member knows; 0 if it does not know.
	Admission  uint64 `cbor:"6,keyasint,omitempty"`
	Generation uint64 `cbor:"7,keyasint,omitempty"` // of its data, 0 if it has none
	Blank      bool   `cbor:"8,keyasint,omitempty"` // its log is empty

	First map[string]string `cbor:"9,keyasint,omitempty"`  // see identity
	Peers string            `cbor:"10,keyasint,omitempty"` // its peer list, to be compared

	Version    string `cbor:"11,keyasint,omitempty"`
	Commands   uint8  `cbor:"12,keyasint,omitempty"`
	ConfigHash string `cbor:"13,keyasint,omitempty"`

	// Missing is what it lacks of what a leader needs, and Yielded how long ago it
	// gave leadership up for that reason; 0 is never.
	Missing []string      `cbor:"15,keyasint,omitempty"`
	Yielded time.Duration `cbor:"16,keyasint,omitempty"`

	// Refused is, in an answer, why the connection ends here.
	Refused string `cbor:"14,keyasint,omitempty"`
}

// errRefused is what a dialling member hears when the other side ends it.
var errRefused = errors.New("refused by peer")

// sendHello opens a connection for p and returns the other side's answer.
func sendHello(conn net.Conn, p purpose, mine hello, limit time.Duration) (theirs hello, err error) {
	defer deadline(conn, limit)()
	frame, err := encodeHello([]byte{byte(p)}, mine)
	if err != nil {
		return hello{}, err
	}
	if _, err := conn.Write(frame); err != nil {
		return hello{}, fmt.Errorf("say hello: %w", err)
	}
	return readHello(conn)
}

// answerHello sends mine, with the refusal if there is one.
func answerHello(conn net.Conn, mine hello, refusal error, limit time.Duration) error {
	defer deadline(conn, limit)()
	if refusal != nil {
		mine.Refused = refusal.Error()
	}
	frame, err := encodeHello(nil, mine)
	if err != nil {
		return err
	}
	if _, err := conn.Write(frame); err != nil {
		return fmt.Errorf("answer hello: %w", err)
	}
	return refusal
}

// readPurpose is the first byte of a connection.
func readPurpose(conn net.Conn, limit time.Duration) (purpose, error) {
	defer deadline(conn, limit)()
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return 0, fmt.Errorf("wait for a first word: %w", err)
	}
	switch p := purpose(first[0]); p {
	case purposeRaft, purposeProbe, purposeAdmin:
		return p, nil
	}
	return 0, fmt.Errorf("%w: it opens with byte %#x, which no member does", ErrPeer, first[0])
}

func encodeHello(prefix []byte, h hello) ([]byte, error) {
	c, err := wireCodec()
	if err != nil {
		return nil, err
	}
	payload, err := c.enc.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode hello: %w", err)
	}
	frame := binary.BigEndian.AppendUint32(prefix, uint32(len(payload)))
	return append(frame, payload...), nil
}

func readHello(conn io.Reader) (hello, error) {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return hello{}, fmt.Errorf("wait for a hello: %w", err)
	}
	length := binary.BigEndian.Uint32(size[:])
	if length > maxHello {
		return hello{}, fmt.Errorf("%w: a hello of %d bytes", ErrPeer, length)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(conn, payload); err != nil {
		return hello{}, fmt.Errorf("wait for a hello: %w", err)
	}
	c, err := wireCodec()
	if err != nil {
		return hello{}, err
	}
	var h hello
	if err := c.dec.Unmarshal(payload, &h); err != nil {
		return hello{}, fmt.Errorf("%w: hello: %w", ErrPeer, err)
	}
	return h, nil
}

// deadline bounds what is done with conn until the returned function is called.
func deadline(conn net.Conn, limit time.Duration) func() {
	_ = conn.SetDeadline(time.Now().Add(limit)) // a closed connection fails at its next use
	return func() { _ = conn.SetDeadline(time.Time{}) }
}
