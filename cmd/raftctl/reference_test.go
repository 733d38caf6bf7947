package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/raftctl.md")

const referenceFile = "../../docs/raftctl.md"

const referenceHead = `# raftctl

Inspects and steers the raft group of miners. This page is made from the code by ` + "`make docs`" + `; [exit codes](exit-codes.md)
are shared with ` + "`raftminer`" + `.

- **Which group**: ` + "`--addr`" + `, repeatable, or ` + "`RAFTCTL_ADDR`" + `, comma separated, or a ` + "`--context`" + ` of the [contexts file](#raftctl-contexts).
  An address is the admin socket of a miner (` + "`unix:///DATA_DIR/admin.sock`" + `, only for its owner), or ` + "`host:port`" + ` of its raft port
  with the certificate of a node of the cluster. If one cannot answer, the next is asked; any member will do, because what
  only the leader knows or decides is passed on to it.
- **Forms**: ` + "`-o table`" + ` for people; ` + "`json`" + ` one value; ` + "`jsonl`" + ` a line for each row; ` + "`csv`" + `. Names that end in ` + "`_ms`" + ` are
  milliseconds. Colours only on a terminal, never with ` + "`NO_COLOR`" + `.
- **Again and again**: ` + "`--watch`" + ` on every verb that only looks: redrawn on a terminal, one value for each round with ` + "`-o jsonl`" + `.
  Ends with 130 when interrupted.
- **Completion**: ` + "`source <(raftctl completion bash)`" + `; also zsh, fish and powershell. Members, sessions and contexts are completed.
`

// The page must say what the commands do.
func TestReferenceIsCurrent(t *testing.T) {
	t.Setenv("RAFTCTL_ADDR", "")
	want := referencePage(rootCommand())
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run `make docs`", referenceFile)
	}
}

// Every verb that runs has a script that shows it work and shows it refuse.
func TestEveryVerbHasAScript(t *testing.T) {
	var scripts strings.Builder
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		bz, err := os.ReadFile("testdata/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(bz)
	}
	for _, cmd := range verbs(rootCommand()) {
		run := regexp.MustCompile(`(?m)^(exits (\S+)|until '.*') ` + cmd.CommandPath() + `( |$)`)
		works, refuses := false, false
		for _, found := range run.FindAllStringSubmatch(scripts.String(), -1) {
			ok := found[2] == "" || strings.HasPrefix(found[2], "0")
			works, refuses = works || ok, refuses || !ok
		}
		if !works || !refuses {
			t.Errorf("%s: a script shows it work: %v, refuse: %v", cmd.CommandPath(), works, refuses)
		}
	}
}

// verbs are the commands under cmd that do something, in their order.
func verbs(cmd *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, sub := range cmd.Commands() {
		switch {
		case sub.Name() == "help" || sub.Name() == "completion":
		case sub.HasSubCommands():
			list = append(list, verbs(sub)...)
		default:
			list = append(list, sub)
		}
	}
	return list
}

func referencePage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	fmt.Fprintf(&b, "\n## Flags of every verb\n\n%s", flagTable(root.PersistentFlags()))
	for _, cmd := range verbs(root) {
		fmt.Fprintf(&b, "\n## %s\n\n", cmd.CommandPath())
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		fmt.Fprintf(&b, "%s\n\n```\n%s\n```\n", text, cmd.UseLine())
		if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
			fmt.Fprintf(&b, "\n%s", flagTable(cmd.LocalNonPersistentFlags()))
		}
	}
	return b.String()
}

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	b.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
			value = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
	return b.String()
}
