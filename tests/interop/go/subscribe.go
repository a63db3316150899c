// The subscriber.

package main

import (
	"context"
	"fmt"

	"github.com/FISCO-BCOS/go-sdk/client"
)

// subscribe reports messages and answers them until the program is killed or expires.
func subscribe(c *client.Client, o options) error {
	reply, err := o.reply.bytes(0, 1)
	if err != nil {
		return err
	}
	handler := func(data []byte, response *[]byte) {
		emit(event{Event: "received", content: describe(data)})
		// The SDK answers multicasts as well; nodes ignore that.
		if o.echo {
			*response = data
		} else {
			*response = reply
		}
	}
	if o.private {
		key, err := privateKey(o.key)
		if err != nil {
			return err
		}
		err = c.SubscribePrivateTopic(o.topic, key, handler)
		if err != nil {
			return fmt.Errorf("subscribe to private topic: %w", err)
		}
	} else if err := c.SubscribeTopic(o.topic, handler); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	// Nodes do not answer subscriptions. One that handles a session's frames in order has handled
	// this one when it answers the next request.
	if _, err := c.GetClientVersion(context.Background()); err != nil {
		return fmt.Errorf("getClientVersion: %w", err)
	}
	emit(event{Event: "subscribed", content: describe(reply)})
	select {}
}
