package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/cometbft/cometbft/types"
)

const (
	transactions = "tm.event='Tx'"
	headers      = "tm.event='NewBlockHeader'"
	longest      = 5 * time.Minute
	pause        = 50 * time.Millisecond
	room         = 10_000
)

var queries = []string{
	transactions,
	"tm.event = 'Tx' AND app.key = 'k0'",
	"tm.event='Tx' AND tx.height > 1",
	"app.creator EXISTS",
	"tm.event='NewBlock'",
	"tm.event='NewBlockEvents'",
	"tm.event='ValidatorSetUpdates'",
	// Calls are answered in order: when this one is told of something, so are all.
	headers,
}

type report struct {
	First   int64                        `json:"first"`
	Last    int64                        `json:"last"`
	Codes   []uint32                     `json:"codes"`
	Told    []json.RawMessage            `json:"told"`
	Many    json.RawMessage              `json:"many"`
	Asked   []map[string]json.RawMessage `json:"asked"`
	Changed json.RawMessage              `json:"changed"`
}

func use(ctx context.Context, count int, urls []string) error {
	var everybody []*told
	for _, url := range urls {
		one, err := subscribed(ctx, url, queries)
		if err != nil {
			return err
		}
		everybody = append(everybody, one)
	}
	// The engine has no room for so many.
	own := make([]string, 0, count+1)
	for number := 0; number < count; number++ {
		own = append(own, fmt.Sprintf("tm.event='Tx' AND app.key='k%d'", number))
	}
	many, err := subscribed(ctx, urls[len(urls)-1], append(own, headers))
	if err != nil {
		return err
	}

	var said report
	for _, one := range append(everybody, many) {
		said.First = max(said.First, one.lastHeader())
	}
	ours := everybody[len(everybody)-1].client
	status, err := ours.Status(ctx)
	if err != nil {
		return err
	}
	key := status.ValidatorInfo.PubKey
	encoded := base64.StdEncoding.EncodeToString(key.Bytes())
	txs := []string{fmt.Sprintf("val=%s!%s!11", key.Type(), encoded)}
	for number := 0; number < count; number++ {
		txs = append(txs, fmt.Sprintf("k%d=v", number))
	}
	const last = "last=1"
	for _, tx := range append(txs, last) {
		answer, err := ours.BroadcastTxSync(ctx, types.Tx(tx))
		if err != nil {
			return err
		}
		said.Codes = append(said.Codes, answer.Code)
	}
	if err := until("events", func() bool {
		for _, one := range everybody {
			said.Last = one.heightOf(transactions, last)
			// After that one the chain makes one more block, and rests.
			if said.Last == 0 || one.lastHeader() <= said.Last {
				return false
			}
		}
		for _, query := range own {
			if many.count(query) == 0 {
				return false
			}
		}
		return agreed(everybody, said.First, said.Last)
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for _, one := range everybody {
		said.Told = append(said.Told, one.all())
		answers, err := ask(ctx, one.client, said.Last, types.Tx(last).Hash())
		if err != nil {
			return err
		}
		said.Asked = append(said.Asked, answers)
	}
	said.Many = many.all()
	if said.Changed, err = change(ctx, urls[len(urls)-1]); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// Whether all were told as much of the blocks above one height, up to another.
func agreed(everybody []*told, above, last int64) bool {
	var counts [][]int
	for _, one := range everybody {
		one.mutex.Lock()
		var here []int
		for _, query := range queries {
			number := 0
			for _, each := range one.events[query] {
				if each.Height == 0 || above < each.Height && each.Height <= last {
					number++
				}
			}
			here = append(here, number)
		}
		one.mutex.Unlock()
		counts = append(counts, here)
	}
	for _, each := range counts {
		if fmt.Sprint(each) != fmt.Sprint(counts[0]) {
			return false
		}
	}
	return true
}

// What one client is told while it ends subscriptions: after one, after all, after a new one.
func change(ctx context.Context, url string) (json.RawMessage, error) {
	byKey := "app.key = 'changed'"
	one, err := subscribed(ctx, url, []string{transactions, byKey, headers})
	if err != nil {
		return nil, err
	}
	commit := func(tx string, query string) error {
		if _, err := one.client.BroadcastTxSync(ctx, types.Tx(tx)); err != nil {
			return err
		}
		return until(tx, func() bool { return one.heightOf(query, tx) > 0 })
	}
	if err := commit("changed=1", transactions); err != nil {
		return nil, err
	}
	if err := one.client.Unsubscribe(ctx, "ignored", transactions); err != nil {
		return nil, err
	}
	if err := commit("changed=2", byKey); err != nil {
		return nil, err
	}
	if err := one.client.UnsubscribeAll(ctx, "ignored"); err != nil {
		return nil, err
	}
	again := "tm.event='Tx' AND app.key='changed'"
	if err := one.subscribe(ctx, again); err != nil {
		return nil, err
	}
	last := "tm.event = 'NewBlockHeader'"
	if err := one.subscribe(ctx, last); err != nil {
		return nil, err
	}
	if err := one.begun(ctx, last); err != nil {
		return nil, err
	}
	if err := commit("changed=3", again); err != nil {
		return nil, err
	}
	return one.all(), one.client.Stop()
}
