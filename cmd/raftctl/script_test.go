package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/raftfsm"
)

// TestMain builds the command for the scripts: without the race detector, which
// makes each start of a process slow. What runs in this process has it.
func TestMain(m *testing.M) {
	os.Exit(withCommand(m.Run))
}

func withCommand(run func() int) int {
	bin, err := os.MkdirTemp("", "raftctl")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		panic(err)
	}
	return run()
}

// TestScripts drives the command as a process of its own, against groups that run
// in this one. Each script starts the group it wants:
//
//	group N [CERTS] N members, with the certificates of a directory; sets RAFTCTL_ADDR, $LEADER, $FOLLOWER and $OTHER to ids, $LEADER_ADDRESS
//	newcomer ID [CLUSTER] a node that waits to be added; sets $ADDRESS and $SOCKET
//	exits CODE …  runs raftctl and wants this exit code, or one of 0|3
//	until RE …    runs raftctl until its output matches, and wants 130 after an interrupt
//	leaderless    waits until no member knows a leader
//	expired CERTS ID      issues a certificate that ran out
//	seed          sessions of every kind, see seed
//	settled       waits until the members have met, and commands of all kinds pass
//	stop ID       stops a member
//	dirof ID VAR  sets VAR to the data directory of a member
//	snapshotfile FILE     writes the state of a seeded group
//	damage FROM TO BYTE   copies a file with one byte inverted
//	expand FILE   puts the environment into the file
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Values[membersKey{}] = &scriptMembers{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"group":        func(ts *testscript.TestScript, _ bool, args []string) { scriptGroup(t, ts, args) },
			"exits":        scriptExits,
			"expired":      scriptExpired,
			"until":        func(ts *testscript.TestScript, _ bool, args []string) { scriptUntil(t, ts, args) },
			"leaderless":   func(ts *testscript.TestScript, _ bool, _ []string) { scriptLeaderless(t, ts) },
			"expand":       scriptExpand,
			"seed":         func(ts *testscript.TestScript, _ bool, args []string) { scriptSeed(t, ts, args) },
			"stop":         scriptStop,
			"damage":       scriptDamage,
			"snapshotfile": func(ts *testscript.TestScript, _ bool, args []string) { scriptSnapshot(t, ts, args) },
			"dirof":        scriptDir,
			"newcomer":     func(ts *testscript.TestScript, _ bool, args []string) { scriptNewcomer(t, ts, args) },
			"settled":      func(ts *testscript.TestScript, _ bool, _ []string) { scriptSettled(t, ts) },
		},
	})
}

// scriptMembers are the members of a script's group.
type scriptMembers struct{ list []testMember }

type membersKey struct{}

func (s *scriptMembers) find(ts *testscript.TestScript, id string) testMember {
	for _, m := range s.list {
		if m.node.Status().ID == id {
			return m
		}
	}
	ts.Fatalf("no member %s", id)
	return testMember{}
}

func scriptSeed(t *testing.T, ts *testscript.TestScript, _ []string) {
	seed(t, ts.Value(membersKey{}).(*scriptMembers).list)
}

func scriptStop(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value(membersKey{}).(*scriptMembers).find(ts, args[0]).stop()
}

func scriptDir(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[1], ts.Value(membersKey{}).(*scriptMembers).find(ts, args[0]).dir)
}

func scriptGroup(t *testing.T, ts *testscript.TestScript, args []string) {
	size, err := strconv.Atoi(args[0])
	ts.Check(err)
	members := startMembersWith(t, size, func(cfg *raftfsm.Config) {
		if len(args) > 1 {
			dir := ts.MkAbs(args[1])
			cfg.TLS = &raftfsm.TLSFiles{CA: dir + "/ca.crt", Cert: dir + "/" + cfg.NodeID + ".crt", Key: dir + "/" + cfg.NodeID + ".key"}
		}
	})
	ts.Value(membersKey{}).(*scriptMembers).list = members
	var sockets []string
	for _, m := range members {
		sockets = append(sockets, "unix://"+m.socket)
	}
	ts.Setenv("RAFTCTL_ADDR", strings.Join(sockets, ","))
	ts.Check(awaitMembers(ts))
	for _, m := range decodeMembers(t, ts.ReadFile("stdout")) {
		if m.Leader {
			ts.Setenv("LEADER", m.ID)
			ts.Setenv("LEADER_ADDRESS", m.Address)
		} else {
			ts.Setenv("OTHER", ts.Getenv("FOLLOWER"))
			ts.Setenv("FOLLOWER", m.ID)
		}
	}
}

// awaitMembers runs raftctl members until a leader answers: on a busy machine the
// first one may have stepped down again.
func awaitMembers(ts *testscript.TestScript) (err error) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if err = ts.Exec("raftctl", "members", "-o", "json"); err == nil {
			return nil
		}
	}
	return err
}

func scriptNewcomer(t *testing.T, ts *testscript.TestScript, args []string) {
	addrs, err := port.Addrs(1)
	ts.Check(err)
	cfg := raftfsm.Config{NodeID: args[0], Bind: addrs[0], ClusterID: "test", Partitions: 1}
	if len(args) > 1 {
		cfg.ClusterID = args[1]
	}
	ts.Setenv("SOCKET", "unix://"+startMember(t, cfg).socket)
	ts.Setenv("ADDRESS", cfg.Bind)
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; !slices.Contains(strings.Split(want, "|"), strconv.Itoa(code)) {
		ts.Fatalf("%s exits with %d, want %s: %s", strings.Join(args[1:], " "), code, want, ts.ReadFile("stderr"))
	}
}

func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	content := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	at, err := strconv.Atoi(args[2])
	ts.Check(err)
	content := []byte(ts.ReadFile(args[0]))
	content[at] ^= 0xff
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), content, 0o600))
}

func scriptSnapshot(t *testing.T, ts *testscript.TestScript, args []string) {
	members := startMembers(t, 1)
	leader := seed(t, members)
	file, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(errors.Join(leader.SaveState(t.Context(), file), file.Close()))
}

func scriptSettled(t *testing.T, ts *testscript.TestScript) {
	proposeAll(t, ts.Value(membersKey{}).(*scriptMembers).list, func(epoch raftfsm.Epoch) []raftfsm.Command {
		return []raftfsm.Command{raftfsm.Mark{Epoch: epoch}}
	})
}

func scriptUntil(t *testing.T, ts *testscript.TestScript, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Env = append(os.Environ(), "RAFTCTL_ADDR="+ts.Getenv("RAFTCTL_ADDR"))
	var out, errs lineBuffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, ts.Stdout()), &errs
	ts.Check(cmd.Start())
	poll(t, args[0], func() bool { return pattern.MatchString(out.text()) })
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !pattern.MatchString(out.text()) {
		ts.Fatalf("%v exits with %d, want %d, and to see %s: %s", args[1:], code, exitInterrupted, pattern, errs.text())
	}
}

func scriptLeaderless(t *testing.T, ts *testscript.TestScript) {
	poll(t, "end of the leadership", func() bool {
		return !slices.ContainsFunc(ts.Value(membersKey{}).(*scriptMembers).list, func(m testMember) bool {
			s := m.node.Status()
			return s.LeaderID != "" && s.State != "shutdown"
		})
	})
}

func scriptExpired(ts *testscript.TestScript, _ bool, args []string) {
	dir, id := ts.MkAbs(args[0]), args[1]
	ca, err := readCertificate(dir, authorityName)
	ts.Check(err)
	old, err := raftfsm.IssueCertificate(ca, id, nil, time.Now().AddDate(-10, 0, 0))
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, id+".crt"), old.Cert, 0o600))
	ts.Check(os.WriteFile(filepath.Join(dir, id+".key"), old.Key, 0o600))
}
