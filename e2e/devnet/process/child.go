package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Spec is how a child is started.
type Spec struct {
	Name     string
	Path     string
	Args     []string
	Env      []string // added to our environment
	Dir      string
	LogPath  string // standard output and error, appended
	ReadyURL string // answers 200 once the child is ready
}

// Child is a process that may be killed and started again. Its methods are safe
// for concurrent use, except that Start and Stop must not overlap each other.
type Child struct {
	spec Spec

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
	err  error         // how cmd ended
}

// ErrRunning is a start of a child that runs already.
var ErrRunning = errors.New("already running")

// ErrExited is a child that ended before it was ready.
var ErrExited = errors.New("exited")

// New describes a child without starting it.
func New(spec Spec) *Child { return &Child{spec: spec} }

// Name is the child's name.
func (c *Child) Name() string { return c.spec.Name }

// SetEnv replaces what is added to the environment at the next start.
func (c *Child) SetEnv(env []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spec.Env = env
}

// Start starts the child and returns at once.
func (c *Child) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runningLocked() {
		return fmt.Errorf("start %s: %w", c.spec.Name, ErrRunning)
	}
	log, err := os.OpenFile(c.spec.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.spec.Name, err)
	}
	defer log.Close() // the child has its own descriptor
	cmd := exec.Command(c.spec.Path, c.spec.Args...)
	cmd.Env = append(os.Environ(), c.spec.Env...)
	cmd.Dir = c.spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.spec.Name, err)
	}
	done := make(chan struct{})
	c.cmd, c.done, c.err = cmd, done, nil
	go c.reap(cmd, done)
	return nil
}

func (c *Child) reap(cmd *exec.Cmd, done chan struct{}) {
	err := cmd.Wait()
	c.mu.Lock()
	if c.cmd == cmd {
		c.err = err
	}
	c.mu.Unlock()
	close(done)
}

func (c *Child) runningLocked() bool {
	if c.cmd == nil {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Running says whether the process exists.
func (c *Child) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runningLocked()
}

// PID is the process id, 0 when the child does not run.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.runningLocked() {
		return 0
	}
	return c.cmd.Process.Pid
}

// Signal sends a signal. A signal that ends the process does not wait for it.
func (c *Child) Signal(sig os.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.runningLocked() {
		return fmt.Errorf("signal %s: %w", c.spec.Name, os.ErrProcessDone)
	}
	if err := c.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", c.spec.Name, err)
	}
	return nil
}

// Wait returns once the process has ended, with how it ended: nil for exit code 0.
func (c *Child) Wait(ctx context.Context) error {
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop asks the process to end, and kills it after patience.
func (c *Child) Stop(patience time.Duration) error {
	err := c.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		_ = c.Wait(context.Background()) // it has ended, which may not be noted yet
		return nil
	}
	// A stopped process (SIGSTOP) does not see SIGTERM until it continues.
	_ = c.Signal(syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return nil // however it ended, it has
	}
	if err := c.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = c.Wait(context.Background())
	return fmt.Errorf("stop %s: still running after %s, killed", c.spec.Name, patience)
}
