package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// Errors of the contexts file.
var (
	errContexts  = errors.New("contexts file")
	errNoContext = errors.New("no such context")
)

// contextsFile names groups of miners, so that a word stands for their addresses
// and the files that open them.
type contextsFile struct {
	Current  string                 `yaml:"current"`
	Contexts map[string]groupAccess `yaml:"contexts"`
}

// groupAccess is how to reach one group. Files are relative to the contexts file.
type groupAccess struct {
	Addrs []string `yaml:"addrs"`
	CA    string   `yaml:"ca"`
	Cert  string   `yaml:"cert"`
	Key   string   `yaml:"key"`
}

// contextsPath is RAFTCTL_CONFIG, or raftminer/raftctl.yaml where the user keeps
// configuration.
func contextsPath() (path string, explicit bool, err error) {
	if path := os.Getenv("RAFTCTL_CONFIG"); path != "" {
		return path, true, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", false, nil // no home, no file
	}
	return filepath.Join(dir, "raftminer", "raftctl.yaml"), false, nil
}

// readContexts is empty if there is no file and none was asked for.
func readContexts() (contextsFile, error) {
	path, explicit, err := contextsPath()
	if err != nil || path == "" {
		return contextsFile{}, err
	}
	bz, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return contextsFile{}, nil
	}
	if err != nil {
		return contextsFile{}, fmt.Errorf("%w: %w", errContexts, err)
	}
	return parseContexts(path, bz)
}

func parseContexts(path string, bz []byte) (contextsFile, error) {
	var file contextsFile
	err := yaml.NewDecoder(bytes.NewReader(bz), yaml.Strict()).Decode(&file)
	var located yaml.Error
	switch {
	case errors.Is(err, io.EOF):
		return contextsFile{}, nil
	case errors.As(err, &located) && located.GetToken() != nil:
		return contextsFile{}, invalidError{fmt.Errorf("%w %s:%d: %s", errContexts, path, located.GetToken().Position.Line, located.GetMessage())}
	case err != nil:
		return contextsFile{}, invalidError{fmt.Errorf("%w %s: %w", errContexts, path, err)}
	}
	for name, c := range file.Contexts {
		if len(c.Addrs) == 0 {
			return contextsFile{}, invalidError{fmt.Errorf("%w %s: context %q has no addrs", errContexts, path, name)}
		}
		if (c.CA == "") != (c.Cert == "") || (c.CA == "") != (c.Key == "") {
			return contextsFile{}, invalidError{fmt.Errorf("%w %s: context %q: ca, cert and key go together", errContexts, path, name)}
		}
		for _, file := range []*string{&c.CA, &c.Cert, &c.Key} {
			if *file != "" && !filepath.IsAbs(*file) {
				*file = filepath.Join(filepath.Dir(path), *file)
			}
		}
		file.Contexts[name] = c
	}
	if _, known := file.Contexts[file.Current]; file.Current != "" && !known {
		return contextsFile{}, invalidError{fmt.Errorf("%w %s: current is %q, which is not among the contexts", errContexts, path, file.Current)}
	}
	return file, nil
}

// access fills in what the command line and RAFTCTL_ADDR left open: from the
// context that was named, or, if nothing says which group is meant, the current.
func (o *options) access() error {
	if o.accessed || o.context == "" && len(o.addrs) > 0 {
		return nil
	}
	file, err := readContexts()
	if err != nil {
		return err
	}
	name := o.context
	if name == "" {
		name = file.Current
	}
	if name == "" {
		return nil
	}
	c, known := file.Contexts[name]
	if !known {
		return fmt.Errorf("%w: %q, there are %q", errNoContext, name, slices.Sorted(maps.Keys(file.Contexts)))
	}
	if !o.addrsGiven {
		o.addrs = c.Addrs
	}
	for _, f := range []struct {
		into *string
		from string
	}{{&o.ca, c.CA}, {&o.cert, c.Cert}, {&o.key, c.Key}} {
		if *f.into == "" {
			*f.into = f.from
		}
	}
	o.accessed = true
	return nil
}

// contextRow is a context as it is listed.
type contextRow struct {
	Name    string   `json:"name"`
	Current bool     `json:"current"`
	Addrs   []string `json:"addrs"`
	CA      string   `json:"ca"`
	Cert    string   `json:"cert"`
	Key     string   `json:"key"`
}

func contextsCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "contexts",
		Short: "List the contexts of the contexts file",
		Long: `List the contexts of the contexts file, ~/.config/raftminer/raftctl.yaml or RAFTCTL_CONFIG:

    current: prod              # when neither --context nor an address is given
    contexts:
      prod:
        addrs: [miner-1.example:7401, miner-2.example:7401]
        ca: ca.crt             # these three are relative to this file
        cert: operator.crt
        key: operator.key
      local:
        addrs: [unix:///var/lib/raftminer/admin.sock]`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := readContexts()
			if err != nil {
				return err
			}
			var rows []contextRow
			for _, name := range slices.Sorted(maps.Keys(file.Contexts)) {
				c := file.Contexts[name]
				rows = append(rows, contextRow{
					Name: name, Current: name == file.Current, Addrs: c.Addrs, CA: c.CA, Cert: c.Cert, Key: c.Key,
				})
			}
			return list(o.printer(cmd), rows)
		},
	}
}

// completeContexts offers the names of contexts to the shell.
func completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := readContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.Sorted(maps.Keys(file.Contexts)), cobra.ShellCompDirectiveNoFileComp
}
