// Program amop-interop-go publishes and subscribes with go-sdk, so that tests can use this SDK on
// the other side. It writes one JSON object per line on standard output; the SDK's log goes to
// standard error.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/FISCO-BCOS/go-sdk/client"
	"github.com/FISCO-BCOS/go-sdk/conf"
	"github.com/sirupsen/logrus"
)

// Exit statuses; 2 is that of wrong flags and of a Go panic.
const (
	exitFailed  = 1
	exitExpired = 3
)

type options struct {
	mode       string
	endpoint   string
	certs      string
	chain      int64
	group      int
	topic      string
	private    bool
	key        string
	publicKeys list
	payload    payload
	count      int
	interval   time.Duration
	reply      payload
	echo       bool
	lifetime   time.Duration
	patience   time.Duration
	startOver  bool
	http       bool
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return fmt.Sprint([]string(*l)) }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func parse() options {
	var o options
	flag.StringVar(&o.mode, "mode", "", "subscribe, unicast, multicast or ask")
	flag.StringVar(&o.endpoint, "endpoint", "", "the node's channel port, host:port")
	flag.BoolVar(&o.http, "http", false, "the endpoint is the node's JSON-RPC port instead; for -mode ask only")
	flag.StringVar(&o.certs, "certs", ".", "folder with ca.crt, sdk.crt and sdk.key")
	flag.Int64Var(&o.chain, "chain", 1, "chain id the node must have")
	flag.IntVar(&o.group, "group", 1, "group whose block notifications the SDK subscribes to")
	flag.StringVar(&o.topic, "topic", "", "topic, without the prefix of private ones")
	flag.BoolVar(&o.private, "private", false, "the topic is private")
	flag.StringVar(&o.key, "key", "", "private topic, subscriber: PEM file of its private key")
	flag.Var(&o.publicKeys, "public-key",
		"private topic, publisher: hex public key of a subscriber, with 04 or without; repeatable")
	flag.StringVar(&o.payload.text, "text", "", "payload; followed by a space and the number if -count is above 1")
	flag.IntVar(&o.payload.random, "random", 0, "payload of this many random bytes instead")
	flag.IntVar(&o.count, "count", 1, "messages to publish")
	flag.DurationVar(&o.interval, "interval", 0, "pause between them")
	flag.StringVar(&o.reply.text, "reply", "", "what the subscriber answers")
	flag.IntVar(&o.reply.random, "reply-random", 0, "answer of this many random bytes instead")
	flag.BoolVar(&o.echo, "echo", false, "answer with what was received instead")
	flag.DurationVar(&o.lifetime, "lifetime", 5*time.Minute,
		"ends the program with status 3; the SDK itself waits for ever for an answer")
	flag.DurationVar(&o.patience, "patience", 0, "how long to try to connect")
	flag.BoolVar(&o.startOver, "start-over", false,
		"replace the process by a new one when the connection is lost, instead of the SDK's reconnect")
	flag.Parse()
	known := map[string]bool{"subscribe": true, "unicast": true, "multicast": true, "ask": true}
	if !known[o.mode] || o.endpoint == "" || (o.topic == "" && o.mode != "ask") ||
		(o.http && o.mode != "ask") || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	return o
}

func main() {
	o := parse()
	logrus.AddHook(hook{startOver: o.startOver})
	time.AfterFunc(o.lifetime, func() {
		emit(event{Event: "expired"})
		os.Exit(exitExpired)
	})
	if err := run(o); err != nil {
		emit(event{Event: "failed", Error: err.Error()})
		os.Exit(exitFailed)
	}
	// Not client.Close: after it the SDK's reading goroutine spins.
	emit(event{Event: "done"})
}

func run(o options) error {
	c, err := dial(o)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	version, err := c.GetClientVersion(context.Background())
	if err != nil {
		return fmt.Errorf("getClientVersion: %w", err)
	}
	emit(event{Event: "connected", Version: version.GetSupportedVersion()})
	switch o.mode {
	case "subscribe":
		return subscribe(c, o)
	case "ask":
		return ask(c, o)
	default:
		return publish(c, o)
	}
}

// dial connects. A node that is being restarted refuses connections for a while.
func dial(o options) (*client.Client, error) {
	const pause = 50 * time.Millisecond
	started := time.Now()
	for {
		c, err := client.Dial(&conf.Config{
			IsHTTP:  o.http,
			ChainID: o.chain,
			GroupID: o.group,
			NodeURL: o.endpoint,
			CAFile:  filepath.Join(o.certs, "ca.crt"),
			Cert:    filepath.Join(o.certs, "sdk.crt"),
			Key:     filepath.Join(o.certs, "sdk.key"),
			// No transaction is signed.
			DynamicKey: true,
		})
		if err == nil || time.Since(started) >= o.patience {
			return c, err
		}
		time.Sleep(pause)
	}
}
