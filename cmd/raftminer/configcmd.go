package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/chain/keystore"
	"github.com/raftminer/raftminer/config"
)

func configCommand() *cobra.Command {
	root := &cobra.Command{Use: "config", Short: "Check configuration files"}
	var role string
	validate := &cobra.Command{
		Use:   "validate FILE",
		Short: "Report every problem of a configuration file, with its line",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch config.Role(role) {
			case config.RoleAny, config.RoleMiner, config.RoleRelayer:
			default:
				return usageError{fmt.Errorf("--role must be miner or relayer, not %q", role)}
			}
			cfg, err := config.Load(args[0], config.Role(role))
			if err != nil {
				return err
			}
			if err := errors.Join(validateKeys(cmd.ErrOrStderr(), cfg.Keys), validateCertificates(cfg.Relayer)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", args[0])
			return nil
		},
	}
	validate.Flags().StringVar(&role, "role", "", "check what this role needs: miner or relayer; default: the sections that are there")
	root.AddCommand(validate)
	return root
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// validateCertificates reads the certificates as a relayer would.
func validateCertificates(cfg config.Relayer) error {
	var errs []error
	for _, p := range cfg.Ports() {
		if p.TLS.Enabled() {
			_, err := certificateFiles(p).Load(time.Now())
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// validateKeys reads the keys as a process would, and lets nothing pass that one
// would only log.
func validateKeys(out io.Writer, keys config.Keys) error {
	found := keystore.Load(keySources(keys))
	for _, warning := range keyFileWarnings(keys) {
		fmt.Fprintln(out, warning)
	}
	for _, sentence := range found.Twice {
		fmt.Fprintln(out, sentence)
	}
	var errs []error
	for _, p := range found.Problems {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}
