package main

import (
	"context"
	"encoding/json"
	"fmt"

	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cometbft/cometbft/types"
)

// Answers of a chain that rests, and of blocks that are decided.
func ask(ctx context.Context, client *rpchttp.HTTP, height int64, hash cmtbytes.HexBytes) (map[string]json.RawMessage, error) {
	answers := map[string]json.RawMessage{}
	note := func(name string, value interface{}, err error) {
		if err != nil {
			value = map[string]string{"error": err.Error()}
		}
		answers[name] = decoded(value)
	}
	later := height + 1_000_000
	key := "app.key='k0'"
	var found *ctypes.ResultTxSearch
	// The engine's index is behind its blocks.
	if err := until("search", func() bool {
		var err error
		found, err = client.TxSearch(ctx, key, true, nil, nil, "asc")
		return err == nil && found.TotalCount > 0
	}); err != nil {
		return nil, err
	}
	note("tx_search", found, nil)
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	note("node", status.NodeInfo, nil)
	note("validator", status.ValidatorInfo.PubKey, nil)
	health, err := client.Health(ctx)
	note("health", health, err)
	genesis, err := client.Genesis(ctx)
	note("genesis", genesis, err)
	block, err := client.Block(ctx, &height)
	note("block", block, err)
	results, err := client.BlockResults(ctx, &height)
	note("block_results", results, err)
	header, err := client.Header(ctx, &height)
	note("header", header, err)
	commit, err := client.Commit(ctx, &height)
	note("commit", commit, err)
	chain, err := client.BlockchainInfo(ctx, 1, height)
	note("blockchain", chain, err)
	validators, err := client.Validators(ctx, &height, nil, nil)
	note("validators", validators, err)
	params, err := client.ConsensusParams(ctx, &height)
	note("consensus_params", params, err)
	tx, err := client.Tx(ctx, hash, true)
	note("tx", tx, err)
	value, err := client.ABCIQuery(ctx, "/store", cmtbytes.HexBytes("k0"))
	note("abci_query", value, err)
	check, err := client.CheckTx(ctx, types.Tx("k=v"))
	note("check_tx", check, err)
	net, err := client.NetInfo(ctx)
	note("net_info", net, err)
	none, err := client.Block(ctx, &later)
	note("no block", none, err)
	unread, err := client.TxSearch(ctx, "no query", false, nil, nil, "")
	note("no query", unread, err)

	batch := client.NewBatch()
	if _, err := batch.Health(ctx); err != nil {
		return nil, err
	}
	if _, err := batch.Block(ctx, &height); err != nil {
		return nil, err
	}
	together, err := batch.Send(ctx)
	note("batch", len(together), err)
	for number, each := range together {
		note(fmt.Sprintf("batch %d", number), each, nil)
	}
	return answers, nil
}
