package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/raftfsm"
)

// errExists is the refusal to replace a key that something may still use.
var errExists = errors.New("exists already; move it away first")

const authorityName = "ca"

func certsCommand() *cobra.Command {
	certs := &cobra.Command{
		Use:   "certs",
		Short: "Make the cluster's CA and the nodes' certificates",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	certs.AddCommand(certsInitCommand(), certsIssueCommand())
	return certs
}

func certsInitCommand() *cobra.Command {
	var dir, cluster string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the CA of a cluster: ca.crt, which every node needs, and ca.key, which none does",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ca, err := raftfsm.NewAuthority(cluster, time.Now())
			if err != nil {
				return err
			}
			return writeCertificate(cmd, dir, authorityName, ca)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "directory to write to")
	cmd.Flags().StringVar(&cluster, "cluster", "", "cluster.id of the configuration")
	return cmd
}

func certsIssueCommand() *cobra.Command {
	var dir string
	var hosts []string
	cmd := &cobra.Command{
		Use:   "issue NODE_ID",
		Short: "Make a node's certificate, signed by the CA in the same directory",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ca, err := readCertificate(dir, authorityName)
			if err != nil {
				return err
			}
			cert, err := raftfsm.IssueCertificate(ca, args[0], hosts, time.Now())
			if err != nil {
				return err
			}
			return writeCertificate(cmd, dir, args[0], cert)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "directory of the CA, and to write to")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "name or address of the node, repeatable; for other tools, peers go by the id")
	return cmd
}

func readCertificate(dir, name string) (raftfsm.Certificate, error) {
	cert, certErr := os.ReadFile(filepath.Join(dir, name+".crt"))
	key, keyErr := os.ReadFile(filepath.Join(dir, name+".key"))
	if err := errors.Join(certErr, keyErr); err != nil {
		return raftfsm.Certificate{}, fmt.Errorf("read the CA, made by raftctl certs init: %w", err)
	}
	return raftfsm.Certificate{Cert: cert, Key: key}, nil
}

// writeCertificate never replaces a file.
func writeCertificate(cmd *cobra.Command, dir, name string, cert raftfsm.Certificate) error {
	for _, file := range []struct {
		path    string
		content []byte
		mode    fs.FileMode
	}{
		{filepath.Join(dir, name+".key"), cert.Key, 0o600},
		{filepath.Join(dir, name+".crt"), cert.Cert, 0o644},
	} {
		if err := writeNew(file.path, file.content, file.mode); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), file.path); err != nil {
			return err
		}
	}
	return nil
}

func writeNew(path string, content []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w", path, errExists)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}
