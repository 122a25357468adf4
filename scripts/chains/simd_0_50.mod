module chain

go 1.23.0

// It requires Cosmos SDK 0.50.9 and CometBFT 0.38.11.
require github.com/cosmos/ibc-go/v8 v8.8.0

// Go takes no notice of what a required module replaces, so its own replacements stand here.
replace github.com/syndtr/goleveldb => github.com/syndtr/goleveldb v1.0.1-0.20210819022825-2ae1ddf74ef7
