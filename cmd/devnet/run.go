package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/e2e/devnet"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

func newRunCommand() *cobra.Command {
	flags := new(devnetFlags)
	var drive devnet.DriveOptions
	var output string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Start the network, drive relays while killing leaders, and report what the chain paid",
		Long: "Start the network, send signed relays through the balancer, kill the leading miner\n" +
			"meanwhile, wait until the chain has settled every session, and report what it paid.\n" +
			"The exit code is 0 only if no relay was lost, no claim expired and nobody was slashed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != outputTable && output != outputJSON {
				return fmt.Errorf("-o %s: want %s or %s", output, outputTable, outputJSON)
			}
			opts, err := flags.options()
			if err != nil {
				return err
			}
			opts.Progress = cmd.ErrOrStderr()
			report, err := runDevnet(cmd, opts, drive)
			if err != nil {
				return err
			}
			printFailures(cmd.ErrOrStderr(), report)
			if err := printReport(cmd.OutOrStdout(), output, report); err != nil {
				return err
			}
			if !report.OK() {
				return errFailed
			}
			return nil
		},
	}
	flags.register(cmd)
	cmd.Flags().IntVar(&drive.Relays, "relays", 500, "relays to send")
	cmd.Flags().Float64Var(&drive.RPS, "rps", 100, "relays per second")
	cmd.Flags().IntVar(&drive.Sessions, "sessions", 3, "sessions to spread the relays over")
	cmd.Flags().IntVar(&drive.KillLeader, "kill-leader", 1, "times to kill the leading miner while relays flow")
	cmd.Flags().StringSliceVar(&drive.Services, "services", nil, "services to send relays to (default: all)")
	cmd.Flags().IntVar(&drive.Workers, "workers", 32, "relays in flight at once")
	cmd.Flags().StringVarP(&output, "output", "o", outputTable, "table or json")
	return cmd
}

func runDevnet(cmd *cobra.Command, opts devnet.Options, drive devnet.DriveOptions) (devnet.Report, error) {
	ctx := cmd.Context()
	net, err := devnet.Start(ctx, opts)
	if err != nil {
		return devnet.Report{}, err
	}
	progress := newProgress(cmd.ErrOrStderr(), drive.Relays)
	drive.Progress = progress.update
	report, err := net.Drive(ctx, drive)
	progress.finish()
	return report, errors.Join(err, net.Close())
}

func printReport(out io.Writer, output string, report devnet.Report) error {
	if output == outputJSON {
		return printJSON(out, report)
	}
	return printTable(out, report)
}
