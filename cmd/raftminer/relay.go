package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// Errors of relays that were sent.
var (
	errRelayFailed  = errors.New("no relay was served")
	errSomeDidFail  = errors.New("some relays were not served")
	errNoEndpoint   = errors.New("the supplier has no URL on chain for this RPC type: say --url")
	errNotInSession = errors.New("not in the session")
)

// relayOptions are the flags of all kinds of relays.
type relayOptions struct {
	config, node string
	app, service string
	keyFile      string
	supplier     string
	url          string
	rpcType      string
	method       string
	data         string
	headers      []string
	answers      int
	timeout      time.Duration
	output       string
	simulate     string
	appKey       string
	gatewayKeys  []string

	load        bool
	count       int
	rps         float64
	concurrency int
}

func relayCommand() *cobra.Command {
	o := new(relayOptions)
	root := &cobra.Command{
		Use:   "relay",
		Short: "Send signed relays to suppliers, as a gateway does, and check what they answer",
		Long: `Fetches the session of an application and a service from a full node, signs relays with the key of the application or of
a gateway that it delegates to, sends them to every supplier of the session (or to one), and checks each answer: the
supplier's signature, the hash of the payload, the session header. Relays are charged to the application like any other.`,
	}
	f := root.PersistentFlags()
	f.StringVarP(&o.config, "config", "c", "", "take the full node from this configuration file")
	f.StringVar(&o.node, "node", "", "gRPC URL of a full node, http or https")
	f.StringVar(&o.app, "app", "", "address of the application")
	f.StringVar(&o.service, "service", "", "id of the service")
	f.StringVar(&o.keyFile, "key-file", "", "private key of the application or of its gateway: hex digits, or a keys file whose first key is taken")
	f.StringVar(&o.supplier, "supplier", "", "send to this supplier only; default: all of the session")
	f.StringVar(&o.url, "url", "", "send here; default: the URL that the supplier has on chain")
	f.StringVarP(&o.method, "method", "X", "", "HTTP method inside the relay; default: POST with data and GET without")
	f.StringVarP(&o.data, "data", "d", "", "body inside the relay, @FILE for a file's content")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "header inside the relay, as 'Name: value'")
	f.DurationVar(&o.timeout, "timeout", 15*time.Second, "for one relay")
	f.StringVarP(&o.output, "output", "o", "table", "table or json")
	f.StringVar(&o.simulate, "simulate", "", "send simulated relays, for the ring that the relayer has pinned under this id")
	f.StringVar(&o.appKey, "app-pubkey", "", "with --simulate, instead of --app: compressed public key of the ring's application, in hex digits")
	f.StringSliceVar(&o.gatewayKeys, "gateway-pubkeys", nil, "with --simulate: compressed public keys of the ring's gateways; default: that of --key-file")
	f.BoolVar(&o.load, "load", false, "send many relays and tell how long they took")
	f.IntVar(&o.count, "count", 100, "relays of a load")
	f.Float64Var(&o.rps, "rps", 0, "relays a second of a load; 0 is as fast as answers come")
	f.IntVar(&o.concurrency, "concurrency", 8, "relays of a load that are in flight at once")
	for _, kind := range relayKinds() {
		root.AddCommand(kind.command(o))
	}
	return root
}

func (k relayKind) command(o *relayOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: k.use, Short: k.short, Args: cobra.MaximumNArgs(k.args), Example: k.example,
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.run(cmd, o, append(args, k.fallback[min(len(args), len(k.fallback)):]...))
		},
	}
	if k.name == "stream" {
		cmd.Flags().StringVar(&o.rpcType, "rpc-type", "rest", "backend that streams: rest or jsonrpc")
	}
	if k.name == "websocket" {
		cmd.Flags().IntVar(&o.answers, "answers", 1, "frames to wait for")
	}
	return cmd
}

// check finds what is wrong with the flags before anybody is asked.
func (o *relayOptions) check() error {
	switch {
	case o.output != "table" && o.output != "json":
		return usageError{fmt.Errorf("-o must be table or json, not %q", o.output)}
	case o.simulate != "" && (o.appKey == "" || o.service == "" || o.keyFile == "" || o.supplier == "" || o.url == ""):
		return usageError{errors.New("--simulate needs --app-pubkey, --service, --key-file, --supplier and --url")}
	case o.simulate == "" && (o.app == "" || o.service == "" || o.keyFile == ""):
		return usageError{errors.New("--app, --service and --key-file are required")}
	case (o.node == "") == (o.config == ""):
		return usageError{errors.New("one of --node and --config is required")}
	case o.load && (o.count < 1 || o.concurrency < 1 || o.rps < 0):
		return usageError{errors.New("--count and --concurrency must be positive, --rps not negative")}
	case o.timeout <= 0 || o.answers < 0:
		return usageError{errors.New("--timeout must be positive, --answers not negative")}
	}
	return nil
}

func (k relayKind) run(cmd *cobra.Command, o *relayOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	call, err := k.build(o, args)
	if err != nil {
		return usageError{err}
	}
	client, closeNode, err := o.client()
	if err != nil {
		return err
	}
	defer closeNode()
	sender := &relaySender{kind: k, options: o, client: client, call: call, sessions: &newestSession{
		ask: func(ctx context.Context) (*gateway.Session, error) { return o.session(ctx, client) },
	}}
	defer sender.close()
	if o.load {
		return runLoad(cmd, sender)
	}
	return runOnce(cmd, sender)
}

// client connects to the full node and signs with the key.
func (o *relayOptions) client() (*gateway.Client, func(), error) {
	secret, err := loadSecret(o.keyFile)
	if err != nil {
		return nil, nil, err
	}
	node := o.node
	if o.config != "" {
		cfg, err := config.Load(o.config, config.RoleAny)
		if err != nil {
			return nil, nil, err
		}
		node = cfg.Chain.Nodes[0].GRPC
	}
	conn, err := chain.DialGRPC(node)
	if err != nil {
		return nil, nil, usageError{err}
	}
	client, err := gateway.NewSimulated(conn, secret, o.simulate)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return client, func() { client.Close(); _ = conn.Close() }, nil
}

// loadSecret reads a key: its hex digits alone, or a keys file.
func loadSecret(path string) ([]byte, error) {
	bz, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	const secretSize = 32
	secret, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(bz)), "0x"))
	if err == nil && len(secret) == secretSize {
		return secret, nil
	}
	secrets, err := config.LoadKeysFile(path)
	if err != nil {
		return nil, err
	}
	return secrets[0], nil
}

// body is the data of the flag, or of the file that it names.
func (o *relayOptions) body() ([]byte, error) {
	if file, ok := strings.CutPrefix(o.data, "@"); ok {
		bz, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		return bz, nil
	}
	return []byte(o.data), nil
}

func (o *relayOptions) header() (http.Header, error) {
	header := make(http.Header)
	for _, text := range o.headers {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil, fmt.Errorf("--header %q is not 'Name: value'", text)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// suppliers of a session to send to.
func (o *relayOptions) suppliers(s *gateway.Session) ([]string, error) {
	switch {
	case o.supplier == "":
		return s.Suppliers, nil
	case !slices.Contains(s.Suppliers, o.supplier):
		return nil, fmt.Errorf("supplier %s is %w of %s for %s", o.supplier, errNotInSession, o.app, o.service)
	}
	return []string{o.supplier}, nil
}

// session is the one of now.
func (o *relayOptions) session(ctx context.Context, client *gateway.Client) (*gateway.Session, error) {
	if o.simulate != "" {
		return o.simulatedSession(client)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return client.Session(ctx, o.app, o.service, 0)
}

// simulatedSession is on no chain.
func (o *relayOptions) simulatedSession(client *gateway.Client) (*gateway.Session, error) {
	var keys [][]byte
	for _, text := range append([]string{o.appKey}, o.gatewayKeys...) {
		key, err := hex.DecodeString(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("public key %q: %w", text, err)}
		}
		keys = append(keys, key)
	}
	return client.SimulatedSession(keys[0], keys[1:], o.service, o.supplier)
}
