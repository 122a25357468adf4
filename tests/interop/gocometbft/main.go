// An application on CometBFT's own RPC client, which is used as it is.
//
//	gocometbft use COUNT URL...   subscribe at each address, broadcast at the last one, ask them all
//	gocometbft follow URL         say what comes, across lost connections, until it is killed
//
// It writes JSON: one report, or a line for each event.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/libs/log"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cometbft/cometbft/types"
)

func main() {
	ctx := context.Background()
	arguments := os.Args[1:]
	var err error
	switch {
	case len(arguments) >= 3 && arguments[0] == "use":
		var count int
		if count, err = strconv.Atoi(arguments[1]); err == nil {
			err = use(ctx, count, arguments[2:])
		}
	case len(arguments) == 2 && arguments[0] == "follow":
		err = follow(ctx, arguments[1])
	default:
		err = fmt.Errorf("usage: gocometbft use COUNT URL... | follow URL")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What the client logs as an error is on standard error.
func errors() log.Logger {
	return log.NewFilter(log.NewTMLogger(log.NewSyncWriter(os.Stderr)), log.AllowError())
}

func connect(url string) (*rpchttp.HTTP, error) {
	client, err := rpchttp.New(url, "/websocket")
	if err != nil {
		return nil, err
	}
	client.SetLogger(errors())
	return client, client.Start()
}

// A value as the client has decoded it.
func decoded(value interface{}) json.RawMessage {
	data, err := cmtjson.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

// The block that an event is about; a change of validators does not say.
func heightOf(event ctypes.ResultEvent) int64 {
	switch data := event.Data.(type) {
	case types.EventDataTx:
		return data.Height
	case types.EventDataNewBlock:
		return data.Block.Height
	case types.EventDataNewBlockHeader:
		return data.Header.Height
	case types.EventDataNewBlockEvents:
		return data.Height
	}
	return 0
}

// The transaction that an event is about, or none.
func txOf(event ctypes.ResultEvent) string {
	if data, ok := event.Data.(types.EventDataTx); ok {
		return string(data.Tx)
	}
	return ""
}
