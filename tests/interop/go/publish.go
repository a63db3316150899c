// The publishers.

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/FISCO-BCOS/go-sdk/client"
)

// publish sends the messages and reports the result of each. An error of one message does
// not stop the others; the last message decides the exit status.
func publish(c *client.Client, o options) error {
	if o.private {
		keys, err := publicKeys(o.publicKeys)
		if err != nil {
			return err
		}
		if err := c.PublishPrivateTopic(o.topic, keys); err != nil {
			return fmt.Errorf("publish private topic: %w", err)
		}
		// As for subscriptions, the node has handled this when it sends its next answer.
		if _, err := c.GetClientVersion(context.Background()); err != nil {
			return fmt.Errorf("getClientVersion: %w", err)
		}
		emit(event{Event: "granted"})
	}
	var last error
	for number := 0; number < o.count; number++ {
		if number > 0 {
			time.Sleep(o.interval)
		}
		data, err := o.payload.bytes(number, o.count)
		if err != nil {
			return err
		}
		emit(event{Event: "sending", content: describe(data)})
		if last = send(c, o, data); last != nil && number+1 < o.count {
			emit(event{Event: "failed", Error: last.Error()})
		}
	}
	return last
}

func send(c *client.Client, o options, data []byte) error {
	if o.mode == "multicast" {
		broadcast := c.BroadcastAMOPMsg
		if o.private {
			broadcast = c.BroadcastAMOPPrivateMsg
		}
		if err := broadcast(o.topic, data); err != nil {
			return err
		}
		emit(event{Event: "accepted"})
		return nil
	}
	unicast := c.SendAMOPMsg
	if o.private {
		unicast = c.SendAMOPPrivateMsg
	}
	answer, err := unicast(o.topic, data)
	if err != nil {
		return err
	}
	emit(event{Event: "answered", content: describe(answer)})
	return nil
}
