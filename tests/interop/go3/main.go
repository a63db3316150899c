// Program amop-interop-go3 publishes and subscribes with go-sdk of FISCO BCOS 3.x. It reads commands on standard input,
// one per line with tabs between words, and writes one JSON object per line on standard output.
//
//	amop-interop-go3 HOST PORT FOLDER
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/FISCO-BCOS/go-sdk/v3/client"
)

// The program sends no transactions, but the SDK wants a key for them.
const key = "145e247e170ba3afd6ae97e88f00dbc976c2345d511b0f6713355d19d8b80b58"

type event map[string]any

var (
	out  *os.File
	lock sync.Mutex
)

func (e event) print() {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	lock.Lock()
	defer lock.Unlock()
	fmt.Fprintf(out, "%s\n", line)
}

func (e event) payload(bytes []byte) event {
	sum := sha256.Sum256(bytes)
	e["bytes"] = len(bytes)
	e["sha256"] = hex.EncodeToString(sum[:])
	if len(bytes) <= 200 && utf8.Valid(bytes) {
		e["text"] = string(bytes)
	}
	return e
}

func failed(what string, err error) {
	event{"event": "failed", "text": what, "error": err.Error()}.print()
}

// payload makes text:..., or size:N for N bytes that are always the same.
func payload(spec string) ([]byte, error) {
	kind, value, _ := strings.Cut(spec, ":")
	if kind == "text" {
		return []byte(value), nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return nil, err
	}
	bytes := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(bytes)
	return bytes, nil
}

func connect(host, port, folder string) (*client.Client, error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	private, err := hex.DecodeString(key)
	if err != nil {
		return nil, err
	}
	return client.DialContext(context.Background(), &client.Config{
		GroupID:     "group0",
		PrivateKey:  private,
		Host:        host,
		Port:        number,
		TLSCaFile:   filepath.Join(folder, "ca.crt"),
		TLSKeyFile:  filepath.Join(folder, "sdk.key"),
		TLSCertFile: filepath.Join(folder, "sdk.crt"),
	})
}

// run carries out one command.
func run(sdk *client.Client, words []string) error {
	topic := words[1]
	switch words[0] {
	case "subscribe":
		return subscribe(sdk, topic, words[2])
	case "unicast":
		bytes, err := payload(words[2])
		if err != nil {
			return err
		}
		return sdk.PublishAmopTopicMessage(context.Background(), topic, bytes, func(answer []byte, err error) {
			e := event{"event": "answered"}.payload(answer)
			if err != nil {
				e["error"] = err.Error()
			}
			e.print()
		})
	case "multicast":
		bytes, err := payload(words[2])
		if err != nil {
			return err
		}
		return sdk.BroadcastAMOPMsg(topic, bytes)
	default:
		return fmt.Errorf("unknown command %q", words[0])
	}
}

// subscribe answers with the given payload, with the received one if it is "echo", or not at all if it is "silence".
func subscribe(sdk *client.Client, topic, answer string) error {
	return sdk.SubscribeAmopTopic(context.Background(), topic, func(data []byte, response *[]byte) {
		event{"event": "received"}.payload(data).print()
		switch answer {
		case "silence":
		case "echo":
			*response = data
		default:
			if bytes, err := payload(answer); err == nil {
				*response = bytes
			}
		}
	})
}

func main() {
	// The SDK may write to standard output, so events go to a copy of it.
	copied, err := syscall.Dup(1)
	if err != nil {
		panic(err)
	}
	out = os.NewFile(uintptr(copied), "events")
	if err := syscall.Dup3(2, 1, 0); err != nil {
		panic(err)
	}
	sdk, err := connect(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		failed("connect", err)
		os.Exit(1)
	}
	event{"event": "connected"}.print()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		if err := run(sdk, words); err != nil {
			failed(words[0], err)
		} else {
			event{"event": "did", "text": words[0]}.print()
		}
	}
	os.Exit(0)
}
