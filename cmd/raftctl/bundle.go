package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

const bundleReadme = `What raftctl debug bundle found. Nothing in here is a key, a password or a transaction.

about.json              raftctl, and when
members.json            the group, as the leader sees it
health.json             what every member says of itself
MEMBER/status.json      the member's own view
MEMBER/build.json       version, Go version, hash of the configuration
MEMBER/metrics.txt      Prometheus text
MEMBER/log.jsonl        the end of its log, a line for each entry, without payloads
MEMBER/goroutines.txt   what it was doing
errors.txt              what could not be had, and why
`

func debugCommand(o *options) *cobra.Command {
	debug := &cobra.Command{
		Use:   "debug",
		Short: "Gather what support needs",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	debug.AddCommand(bundleCommand(o))
	return debug
}

// bundled says what became of a bundle.
type bundled struct {
	File    string `json:"file"`
	Members int    `json:"members"`
	Missing int    `json:"missing"`
}

func bundleCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "bundle FILE.tar.gz",
		Short: "Write what support needs to know of the group to a file, without secrets",
		Long: `Write what support needs to know of the group to a file: members, health, and of each member its status, build,
metrics, goroutines and the end of its log in one line per entry. Keys, passwords and transactions are not in it.
Any member is enough: it asks the others. Ends with 3 if something could not be had; errors.txt in it says what.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
				return errors.Join(err, fmt.Errorf("%s %w", args[0], errExists))
			}
			b := &bundle{o: o, at: time.Now()}
			found, err := b.gather(cmd.Context())
			if err != nil {
				return err
			}
			content, err := b.close()
			if err != nil {
				return err
			}
			if err := writeNew(args[0], content, 0o600); err != nil {
				return err
			}
			missing := len(b.failures)
			if err := say(o.printer(cmd), bundled{args[0], found, missing}, "%s: %d members", args[0], found); err != nil || missing == 0 {
				return err
			}
			return fmt.Errorf("%w: %w", errDegraded, errors.Join(b.failures...))
		},
	}
}

// bundle is an archive that grows in memory: it is small, and all or nothing.
type bundle struct {
	o        *options
	at       time.Time
	failures []error

	packed bytes.Buffer
	zip    *gzip.Writer
	tar    *tar.Writer
}

// gather asks for everything, and goes on without what cannot be had. An error means
// that there is nothing at all. found counts the members that answered.
func (b *bundle) gather(ctx context.Context) (found int, err error) {
	b.zip = gzip.NewWriter(&b.packed)
	b.tar = tar.NewWriter(b.zip)
	o := *b.o
	o.stale = true // a group without a leader is what bundles are made of
	members, err := ask(ctx, &o, askMembers)
	if err != nil {
		return 0, err
	}
	health, err := ask(ctx, &o, askHealth)
	if err != nil {
		b.failures = append(b.failures, fmt.Errorf("health: %w", err))
	}
	about := map[string]string{"version": raftfsm.BuildVersion(), "go_version": runtime.Version(), "at": b.at.UTC().Format(time.RFC3339)}
	err = errors.Join(b.add("README.txt", []byte(bundleReadme)), b.addJSON("about.json", about),
		b.addJSON("members.json", members), b.addJSON("health.json", health))
	for _, m := range members {
		answer, askErr := askInspect(ctx, &o, func(ctx context.Context, c adminpb.InspectClient) (*adminpb.DebugResponse, error) {
			return c.Debug(ctx, &adminpb.DebugRequest{Id: m.ID})
		})
		if askErr != nil {
			b.failures = append(b.failures, fmt.Errorf("%s: %w", m.ID, askErr))
			continue
		}
		found++
		err = errors.Join(err, b.addMember(safeName(m.ID), answer))
	}
	return found, err
}

func (b *bundle) addMember(dir string, answer *adminpb.DebugResponse) error {
	build := map[string]string{
		"version": answer.GetVersion(), "go_version": answer.GetGoVersion(), "config_hash": answer.GetConfigHash(),
	}
	var log bytes.Buffer
	for _, entry := range answer.GetLog() {
		if err := json.NewEncoder(&log).Encode(newLogEntry(entry)); err != nil {
			return err
		}
	}
	return errors.Join(
		b.addJSON(dir+"/status.json", newStatus(answer.GetStatus())), b.addJSON(dir+"/build.json", build),
		b.add(dir+"/metrics.txt", []byte(answer.GetMetrics())), b.add(dir+"/log.jsonl", log.Bytes()),
		b.add(dir+"/goroutines.txt", []byte(answer.GetGoroutines())))
}

func (b *bundle) addJSON(name string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return b.add(name, append(content, '\n'))
}

// add is the one way into the archive, so that everything is redacted.
func (b *bundle) add(name string, content []byte) error {
	content = redact(content)
	header := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: b.at}
	if err := b.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("bundle %s: %w", name, err)
	}
	if _, err := b.tar.Write(content); err != nil {
		return fmt.Errorf("bundle %s: %w", name, err)
	}
	return nil
}

func (b *bundle) close() ([]byte, error) {
	var list bytes.Buffer
	for _, failure := range b.failures {
		fmt.Fprintln(&list, failure)
	}
	err := errors.Join(b.add("errors.txt", list.Bytes()), b.tar.Close(), b.zip.Close())
	return b.packed.Bytes(), err
}

// safeName keeps a name from another machine inside the archive.
func safeName(id string) string {
	return regexp.MustCompile(`^\.+|[^A-Za-z0-9._-]`).ReplaceAllString(id, "_")
}
