package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files, archive := make(map[string]string), tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

// No secret gets into a bundle: neither the bytes of transactions nor a password in
// what a library had to say.
func TestBundleHasNoSecrets(t *testing.T) {
	members := startMembers(t, 3)
	seed(t, members)
	leader := proposeAll(t, members, func(epoch raftfsm.Epoch) []raftfsm.Command {
		return []raftfsm.Command{raftfsm.Advance{Epoch: epoch, Transitions: []raftfsm.Transition{{
			Key: chain.SessionKey{Supplier: "pokt1b", SessionID: "s4"}, Stage: raftfsm.StageLost,
			Reason: "dial redis://default:" + plantedSecret + "@10.0.0.1:6379: refused",
		}}}}
	})
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if code, out, errs := raftctl([]string{members[0].socket}, "debug", "bundle", file); code != exitOK {
		t.Fatalf("exit %d, %q %q", code, out, errs)
	}
	files := unpack(t, file)
	for _, want := range []string{"README.txt", "about.json", "members.json", "health.json", "errors.txt"} {
		if _, found := files[want]; !found {
			t.Errorf("no %s", want)
		}
	}
	for _, id := range []string{"m1", "m2", "m3"} {
		for name, want := range map[string]string{
			"status.json": `"id": "` + id + `"`, "build.json": `"go_version": "go1`, "metrics.txt": "ha_raft_applied_index",
			"log.jsonl": `"kind":"Intend"`, "goroutines.txt": "goroutine ",
		} {
			if !strings.Contains(files[id+"/"+name], want) {
				t.Errorf("%s/%s lacks %s", id, name, want)
			}
		}
	}
	for name, content := range files {
		if strings.Contains(content, plantedSecret) {
			t.Errorf("%s has the planted secret", name)
		}
	}
	if !strings.Contains(files[leader.Status().ID+"/log.jsonl"], "redis://***@10.0.0.1:6379") {
		t.Error("the password was not there to be hidden: this test proves nothing")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want a file for its owner only", info.Mode(), err)
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"redis://u:p@h:1 and rediss://:p2@h": "redis://***@h:1 and rediss://***@h",
		"https://h/x?token=abc&y=1":          "https://h/x?token=***&y=1",
		`{"password": "abc", "x": 1}`:        `{"password": "***", "x": 1}`,
		"Authorization: Bearer":              "Authorization: ***",
		"unix:///a/b.sock@x":                 "unix:///a/b.sock@x",
		"monkey = banana":                    "monkey = banana",
		"-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----": "-----BEGIN EC PRIVATE KEY-----***-----END EC PRIVATE KEY-----",
	} {
		if got := string(redact([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestNamesStayInTheArchive(t *testing.T) {
	for id, want := range map[string]string{"miner-1.a": "miner-1.a", "../x": "__x", "/etc": "_etc", "..": "_"} {
		if got := safeName(id); got != want {
			t.Errorf("%q becomes %q, want %q", id, got, want)
		}
	}
}
