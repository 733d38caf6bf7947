package main

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// distance is a TCP proxy that delays every byte on its way back: a round trip
// of that length, at full bandwidth.
type distance struct {
	listener net.Listener
	target   string
	delay    atomic.Int64 // nanoseconds
}

func newDistance(target string) (*distance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &distance{listener: listener, target: target}
	go d.accept()
	return d, nil
}

func (d *distance) accept() {
	for {
		near, err := d.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", d.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		go forward(far, near)
		go d.delayed(near, far)
	}
}

func forward(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

type chunk struct {
	due  time.Time
	data []byte
}

func (d *distance) delayed(to, from net.Conn) {
	chunks := make(chan chunk, 4096)
	go func() {
		defer to.Close()
		for c := range chunks {
			if wait := time.Until(c.due); wait > 0 {
				time.Sleep(wait)
			}
			if _, err := to.Write(c.data); err != nil {
				return
			}
		}
	}()
	defer close(chunks)
	buffer := make([]byte, 256<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			chunks <- chunk{due: time.Now().Add(time.Duration(d.delay.Load())), data: append([]byte(nil), buffer[:n]...)}
		}
		if err != nil {
			return
		}
	}
}
