// Events from the SDK's log.

package main

import (
	"os"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
)

// lossMessage begins the SDK's log line about a lost connection. There is no callback.
const lossMessage = "channel Read error"

// hook sees what the SDK logs, before the SDK goes on.
type hook struct {
	startOver bool
}

func (hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(entry *logrus.Entry) error {
	emit(event{Event: "log", Log: strings.TrimSpace(entry.Message)})
	if !h.startOver || !strings.HasPrefix(entry.Message, lossMessage) {
		return nil
	}
	// go-sdk 1.1.1 never recovers by itself: the channel that signals a loss stays closed, so that
	// each new connection is given up at once, until two of its goroutines wait for each other.
	emit(event{Event: "lost"})
	path, err := os.Executable()
	if err == nil {
		output.Lock()
		err = syscall.Exec(path, os.Args, os.Environ())
		output.Unlock()
	}
	emit(event{Event: "failed", Error: err.Error()})
	os.Exit(exitFailed)
	return nil
}
