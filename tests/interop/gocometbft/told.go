package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cometbft/cometbft/types"
)

// How many transactions had to make a block happen.
var starts int

type event struct {
	Height int64           `json:"height"`
	Tx     string          `json:"tx"`
	Event  json.RawMessage `json:"event"`
}

// What one client is told, by query.
type told struct {
	client *rpchttp.HTTP
	mutex  sync.Mutex
	events map[string][]event
	last   int64
}

func (t *told) subscribe(ctx context.Context, query string) error {
	events, err := t.client.Subscribe(ctx, "ignored", query, room)
	if err != nil {
		return err
	}
	t.mutex.Lock()
	t.events[query] = []event{}
	t.mutex.Unlock()
	go func() {
		for each := range events {
			t.mutex.Lock()
			said := event{heightOf(each), txOf(each), decoded(each)}
			t.events[query] = append(t.events[query], said)
			if query == headers {
				t.last = said.Height
			}
			t.mutex.Unlock()
		}
	}()
	return nil
}

// Wait until the last subscription is told of something, in a chain that rests otherwise.
func (t *told) begun(ctx context.Context, query string) error {
	return until("first "+query, func() bool {
		if t.count(query) == 0 {
			starts++
			_, err := t.client.BroadcastTxSync(ctx, types.Tx(fmt.Sprintf("start%d=1", starts)))
			return err != nil // which the next call says too
		}
		return true
	})
}

// The block of a transaction that a query was told of, or 0.
func (t *told) heightOf(query, tx string) int64 {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, each := range t.events[query] {
		if each.Tx == tx {
			return each.Height
		}
	}
	return 0
}

func (t *told) lastHeader() int64 {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.last
}

func (t *told) count(query string) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return len(t.events[query])
}

func (t *told) all() json.RawMessage {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	data, err := json.Marshal(t.events)
	if err != nil {
		panic(err)
	}
	return data
}

func until(what string, is func() bool) error {
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(pause) {
		if is() {
			return nil
		}
	}
	return fmt.Errorf("no %s within %s", what, longest)
}

func subscribed(ctx context.Context, url string, queries []string) (*told, error) {
	client, err := connect(url)
	if err != nil {
		return nil, err
	}
	all := &told{client: client, events: map[string][]event{}}
	for _, query := range queries {
		if err := all.subscribe(ctx, query); err != nil {
			return nil, err
		}
	}
	return all, all.begun(ctx, headers)
}
