//go:build failpoints

package ingest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// fencedExit is the exit code of a child that a fence refused.
const fencedExit = 7

// endIfFenced ends the process once a write was refused and what else its owner
// has under way is over.
func endIfFenced(o *Owner) {
	if testutil.ToFloat64(o.metrics.fenced) == 0 {
		return
	}
	for _, p := range o.parts {
		p.mu.Lock()
	}
	os.Exit(fencedExit)
}

// TestAnOwnerThatSleptWritesNothing: a miner is stopped right before it writes,
// another takes over and works, the first wakes up and sends what it was about
// to. Redis holds what it held before.
func TestAnOwnerThatSleptWritesNothing(t *testing.T) {
	for _, instant := range []string{"stage.before_write", "stage.before_write, connections cut", "flush.before_script", "trim.before_script", "seal.before_script"} {
		instant, cut, _ := strings.Cut(instant, ", ")
		t.Run(instant+cut, func(t *testing.T) {
			rdb := startRedis(t)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			p := newTestPublisher(t, rdb)
			for n := range 40 {
				publish(t, p, testRelay(t, testRef(n%4), n))
			}
			var output bytes.Buffer
			child := exec.CommandContext(ctx, os.Args[0])
			child.Stderr = &output
			child.Env = append(os.Environ(), childRedis+"="+rdb.Options().Addr, childEpoch+"=1",
				"RAFTMINER_FAILPOINTS="+instant+"=stop@"+filepath.Join(t.TempDir(), "once"))
			if strings.HasPrefix(instant, "seal.") {
				child.Env = append(child.Env, childSeal+"=1")
			}
			if strings.HasPrefix(instant, "stage.") {
				child.Env = append(child.Env, childStage+"=1")
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			var status unix.WaitStatus
			if _, err := unix.Wait4(child.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
				t.Fatalf("the child did not stop: %v, status %x: %s", err, status, &output)
			}

			o := testOwner(t, rdb, 2)
			publish(t, p, testRelay(t, testRef(2), 1000))
			consumeAll(t, o)
			if _, err := o.Seal(ctx, testRef(3).Key()); err != nil {
				t.Fatal(err)
			}
			before := dump(t, rdb)
			if cut != "" {
				// What it watched goes with its connections: nothing may be sent on new ones.
				if err := rdb.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := child.Process.Signal(unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			_ = child.Wait()
			if code := child.ProcessState.ExitCode(); code != fencedExit {
				t.Fatalf("the child ended with %d, want %d for being fenced: %s", code, fencedExit, &output)
			}
			if changed := changedKeys(before, dump(t, rdb)); len(changed) > 0 {
				t.Errorf("the owner that slept changed %q", changed)
			}
		})
	}
}
