package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// options are the flags of every command.
type options struct {
	addrs         []string
	addrsGiven    bool // on the command line
	accessed      bool // the context was read
	context       string
	ca, cert, key string
	output        string
	timeout       time.Duration
	stale         bool
}

const defaultTimeout = 5 * time.Second

// register puts the flags on the root command.
func (o *options) register(root *cobra.Command) {
	if env := os.Getenv("RAFTCTL_ADDR"); env != "" {
		o.addrs = strings.Split(env, ",")
	}
	flags := root.PersistentFlags()
	flags.StringSliceVar(&o.addrs, "addr", o.addrs, "admin socket (unix:///path) or host:port of a miner, repeatable: the next one is asked when one cannot answer (RAFTCTL_ADDR)")
	flags.StringVar(&o.context, "context", "", "group of the contexts file to talk to, see raftctl contexts")
	flags.StringVar(&o.ca, "ca", "", "CA certificate of the cluster, for host:port")
	flags.StringVar(&o.cert, "cert", "", "certificate to show, for host:port")
	flags.StringVar(&o.key, "key", "", "key of --cert")
	flags.StringVarP(&o.output, "output", "o", formatTable, strings.Join(formats(), ", "))
	flags.DurationVar(&o.timeout, "timeout", defaultTimeout, "give up after")
	flags.BoolVar(&o.stale, "stale", false, "let the member that is asked answer from what it knows, without the leader")
}

// complete offers the values of flags to the shell.
func (o *options) complete(root *cobra.Command) error {
	err := root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		return err
	}
	return root.RegisterFlagCompletionFunc("context", completeContexts)
}

// check is run before every command.
func (o *options) check(cmd *cobra.Command) error {
	o.addrsGiven = cmd.Flags().Changed("addr")
	return checkFormat(o.output)
}
