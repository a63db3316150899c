// Requests of SDKs to a node that are not messages.

package main

import (
	"context"
	"encoding/json"
	"math/big"

	"github.com/FISCO-BCOS/go-sdk/client"
	"github.com/FISCO-BCOS/go-sdk/core/types"
)

// ask reports the node's answers to JSON-RPC requests, each answer or error on a line.
func ask(c *client.Client, o options) error {
	background := context.Background()
	raw := func(answer []byte, err error) (any, error) {
		return json.RawMessage(answer), err
	}
	type question struct {
		method string
		ask    func() (any, error)
	}
	questions := []question{
		{"getClientVersion", func() (any, error) { return c.GetClientVersion(background) }},
		{"getGroupList", func() (any, error) { return raw(c.GetGroupList(background)) }},
		{"getNodeIDList", func() (any, error) { return raw(c.GetNodeIDList(background)) }},
		{"getPeers", func() (any, error) { return c.GetPeers(background) }},
		{"getBlockNumber", func() (any, error) { return c.GetBlockNumber(background) }},
		{"getPbftView", func() (any, error) { return raw(c.GetPBFTView(background)) }},
		{"getGroupPeers", func() (any, error) { return raw(c.GetGroupPeers(background)) }},
		// The node does not check its content.
		{"sendRawTransaction", func() (any, error) {
			return c.SendTransaction(background, types.NewContractCreation(
				big.NewInt(1), nil, big.NewInt(1), nil, big.NewInt(1), nil, nil, nil, nil, false))
		}},
	}
	if !o.http {
		questions = append(questions, question{"registerEventLog", func() (any, error) {
			return c.SubscribeEventLogs(types.EventLogParams{
				FromBlock: "latest", ToBlock: "latest", GroupID: "1",
			}, func(int, []types.Log) {})
		}})
	}
	for _, question := range questions {
		result, err := question.ask()
		e := event{Event: "answer", Method: question.method, Result: result}
		if err != nil {
			e.Result, e.Error = nil, err.Error()
		}
		emit(e)
	}
	return nil
}
