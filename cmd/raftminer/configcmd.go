package main

import (
	"fmt"

	"github.com/spf13/cobra"

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
			if _, err := config.LoadKeysFile(cfg.Keys.File); err != nil {
				return err
			}
			for _, warning := range config.KeysFileWarnings(cfg.Keys.File) {
				fmt.Fprintln(cmd.ErrOrStderr(), warning)
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
