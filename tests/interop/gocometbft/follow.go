package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpcclient "github.com/cometbft/cometbft/rpc/jsonrpc/client"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
)

// One line of what is said.
type line struct {
	Client string `json:"client"`
	Query  string `json:"query"`
	Height int64  `json:"height"`
	Tx     string `json:"tx"`
}

func follow(ctx context.Context, url string) error {
	lines := make(chan line)
	if err := plain(ctx, url, lines); err != nil {
		return err
	}
	if err := resuming(ctx, url, lines); err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	for each := range lines {
		if err := encoder.Encode(each); err != nil {
			return err
		}
	}
	return nil
}

func lineOf(client string, event ctypes.ResultEvent) line {
	return line{client, event.Query, heightOf(event), txOf(event)}
}

// The client subscribes again by itself, to what comes from then on.
func plain(ctx context.Context, url string, lines chan<- line) error {
	client, err := connect(url)
	if err != nil {
		return err
	}
	for _, query := range []string{transactions, headers} {
		events, err := client.Subscribe(ctx, "ignored", query, room)
		if err != nil {
			return err
		}
		go func() {
			for each := range events {
				lines <- lineOf("plain", each)
			}
		}()
	}
	return nil
}

// Each subscription goes on after the last thing that it was told, with `after`.
func resuming(ctx context.Context, url string, lines chan<- line) error {
	again := make(chan struct{}, 1)
	client, err := rpcclient.NewWS(url, "/websocket", rpcclient.OnReconnect(func() {
		again <- struct{}{}
	}))
	if err != nil {
		return err
	}
	client.SetLogger(errors())
	if err := client.Start(); err != nil {
		return err
	}
	positions := map[string]string{transactions: "earliest", headers: "earliest"}
	subscribe := func() error {
		for query, position := range positions {
			params := map[string]interface{}{"query": query, "after": position}
			if err := client.Call(ctx, "subscribe", params); err != nil {
				return err
			}
		}
		return nil
	}
	hear := func(response rpctypes.RPCResponse) error {
		if response.Error != nil {
			return response.Error
		}
		var event ctypes.ResultEvent
		if err := cmtjson.Unmarshal(response.Result, &event); err != nil {
			return err
		}
		if event.Query == "" {
			return nil // it was subscribed
		}
		var place struct{ Position string }
		if err := json.Unmarshal(response.Result, &place); err != nil {
			return err
		}
		positions[event.Query] = place.Position
		lines <- lineOf("resuming", event)
		return nil
	}
	if err := subscribe(); err != nil {
		return err
	}
	go func() {
		for {
			var err error
			select {
			case response := <-client.ResponsesCh:
				err = hear(response)
			case <-again:
				err = subscribe()
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}()
	return nil
}
