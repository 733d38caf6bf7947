package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/raftminer/raftminer/e2e/relayload"
)

// The client and the backend are processes of their own, this program with other
// arguments: beside the chain, a block would hold them up for tens of milliseconds.
const (
	roleClient  = "client"
	roleBackend = "backend"
)

// runChild is what main does in such a process.
func runChild(ctx context.Context, args []string) error {
	switch {
	case args[0] == roleClient && len(args) == 3:
		conns, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return relayload.ServeLoads(ctx, relayload.NewTarget(args[1], conns), os.Stdin, os.Stdout)
	case args[0] == roleBackend && len(args) == 1:
		return serveBackend()
	}
	return fmt.Errorf("unknown arguments %q", args)
}

// priority is the command that runs the one after it ahead of everything else.
func (o options) priority() []string {
	if !o.realtime {
		return nil
	}
	return []string{"chrt", "--rr", "1"}
}

// hasten gives a process that runs already the same.
func (o options) hasten(pid int) error {
	if !o.realtime {
		return nil
	}
	if out, err := exec.Command("chrt", "--all-tasks", "--rr", "--pid", "1", strconv.Itoa(pid)).CombinedOutput(); err != nil {
		return fmt.Errorf("priority of redis-server: %w: %s", err, out)
	}
	return nil
}

func startClient(addr string, conns int, priority []string) (*relayload.Client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := append(priority, self, roleClient, addr, strconv.Itoa(conns))
	return relayload.StartClient(command[0], command[1:]...)
}

// startBackend lets a child serve on our listener, until stop or our end closes
// its input.
func startBackend(priority []string) (url string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("backend: %w", err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return "", nil, fmt.Errorf("backend: %w", err)
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	command := append(priority, self, roleBackend)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{file}, os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, fmt.Errorf("backend: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("backend: %w", err)
	}
	return "http://" + listener.Addr().String(), func() error { return errors.Join(input.Close(), cmd.Wait()) }, nil
}

// serveBackend answers /N with N bytes, on the listener that we were given.
func serveBackend() error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	body := []byte(strings.Repeat("0123456789abcdef", maxAnswer/16))
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		size, err := strconv.Atoi(string(ctx.Path()[1:]))
		if err != nil || size > len(body) {
			ctx.Error("no such size", fasthttp.StatusBadRequest)
			return
		}
		ctx.SetContentType("application/json")
		ctx.Response.SetBodyRaw(body[:size])
	}}
	go func() { _ = server.Serve(listener) }() // as long as we live
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
