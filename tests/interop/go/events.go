// The lines of output.

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"unicode/utf8"
)

// longestText is the longest payload, in bytes, that is written as text as well.
const longestText = 256

// event is a line of output. Members that do not apply are left out.
type event struct {
	// connected, subscribed, granted (the node knows the publisher of a private topic), received,
	// sending, answered (unicast), accepted (multicast), answer (of the node to a request), log (of
	// the SDK), lost (the connection), failed, expired, done
	Event   string `json:"event"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
	Log     string `json:"log,omitempty"`
	// The method of a request and the node's answer.
	Method string `json:"method,omitempty"`
	Result any    `json:"result,omitempty"`
	*content
}

// content describes a payload.
type content struct {
	Bytes  int    `json:"bytes"`
	Sha256 string `json:"sha256"`
	Text   string `json:"text,omitempty"`
}

func describe(data []byte) *content {
	sum := sha256.Sum256(data)
	c := content{Bytes: len(data), Sha256: hex.EncodeToString(sum[:])}
	if len(data) <= longestText && utf8.Valid(data) {
		c.Text = string(data)
	}
	return &c
}

var output sync.Mutex

// emit writes a line; the SDK calls handlers concurrently.
func emit(e event) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		// There is no reader left.
		os.Exit(exitFailed)
	}
}

// payload returns the payload that a flag asks for.
type payload struct {
	text   string
	random int
}

func (p payload) bytes(number, count int) ([]byte, error) {
	if p.random > 0 {
		data := make([]byte, p.random)
		_, err := rand.Read(data)
		return data, err
	}
	if count > 1 {
		return []byte(p.text + " " + strconv.Itoa(number)), nil
	}
	return []byte(p.text), nil
}
