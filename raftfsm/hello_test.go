package raftfsm

import (
	"bytes"
	"testing"
)

// Anybody may connect to the raft port. What is read as a hello is one, and is read
// back as it was.
func FuzzHello(f *testing.F) {
	frame, err := encodeHello(nil, hello{Protocol: helloVersion, ClusterID: "test", NodeID: "m1", Instance: "m1-1", Generation: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x00\x01\xa0"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		h, err := readHello(bytes.NewReader(sent))
		if err != nil {
			return
		}
		again, err := encodeHello(nil, h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readHello(bytes.NewReader(again))
		if third, _ := encodeHello(nil, got); err != nil || !bytes.Equal(third, again) {
			t.Errorf("%+v is read as %+v, %v", h, got, err)
		}
	})
}
