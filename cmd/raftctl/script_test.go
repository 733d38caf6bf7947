package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"raftctl": main})
}

// TestScripts drives the command as a process of its own, against groups that run
// in this one. Each script starts the group it wants:
//
//	group N       N members; sets RAFTCTL_ADDR, and $LEADER and $FOLLOWER to ids
//	exits CODE …  runs raftctl and wants this exit code
//	expand FILE   puts the environment into the file
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command takes a second longer
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"group":  func(ts *testscript.TestScript, _ bool, args []string) { scriptGroup(t, ts, args) },
			"exits":  scriptExits,
			"expand": scriptExpand,
		},
	})
}

func scriptGroup(t *testing.T, ts *testscript.TestScript, args []string) {
	size, err := strconv.Atoi(args[0])
	ts.Check(err)
	sockets := startGroup(t, size)
	for i := range sockets {
		sockets[i] = "unix://" + sockets[i]
	}
	ts.Setenv("RAFTCTL_ADDR", strings.Join(sockets, ","))
	ts.Check(ts.Exec("raftctl", "members", "-o", "json"))
	for _, m := range decodeMembers(t, ts.ReadFile("stdout")) {
		if m.Leader {
			ts.Setenv("LEADER", m.ID)
		} else {
			ts.Setenv("FOLLOWER", m.ID)
		}
	}
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("%s exits with %d, want %s: %s", strings.Join(args[1:], " "), code, want, ts.ReadFile("stderr"))
	}
}

func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	content := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}
