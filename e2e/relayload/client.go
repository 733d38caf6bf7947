package relayload

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// Client is a process of its own that sends loads to a relayer. What else this
// process has to do does not delay it: the chain would, and be taken for the
// relayer's latency.
type Client struct {
	mu  sync.Mutex
	in  io.WriteCloser
	to  *gob.Encoder
	of  *gob.Decoder
	cmd *exec.Cmd
}

// reply is what a client process answers a load with.
type reply struct {
	Outcome Outcome
	Err     string
}

// StartClient starts a command that runs ServeLoads.
func StartClient(program string, args ...string) (*Client, error) {
	c := &Client{cmd: exec.Command(program, args...)}
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	c.to, c.of = gob.NewEncoder(c.in), gob.NewDecoder(out)
	return c, nil
}

// PID is the client's process.
func (c *Client) PID() int { return c.cmd.Process.Pid }

// Close ends the process.
func (c *Client) Close() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }

// Send implements Sender. A load that has begun goes on to its end.
func (c *Client) Send(_ context.Context, load Load) (Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.to.Encode(load); err != nil {
		return Outcome{}, fmt.Errorf("give the client its load: %w", err)
	}
	var r reply
	if err := c.of.Decode(&r); err != nil {
		return Outcome{}, fmt.Errorf("client: %w", err)
	}
	if r.Err != "" {
		return Outcome{}, errors.New(r.Err)
	}
	return r.Outcome, nil
}

// ServeLoads is the client process: it reads loads and writes what they gave,
// until there are no more.
func ServeLoads(ctx context.Context, to Sender, in io.Reader, out io.Writer) error {
	decoder, encoder := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		var load Load
		switch err := decoder.Decode(&load); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read load: %w", err)
		}
		var r reply
		var err error
		if r.Outcome, err = to.Send(ctx, load); err != nil {
			r.Err = err.Error()
		}
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("write outcome: %w", err)
		}
	}
}
