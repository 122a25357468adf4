#!/bin/sh
# Runs CometBFT for the daemon on the same loopback; makes its home at the first start.
set -eu
: "${ENGINE_HOME:=/data}"
cometbft init --home "$ENGINE_HOME" # keeps what is there
exec cometbft node --home "$ENGINE_HOME" --proxy_app tcp://127.0.0.1:26658 --consensus.create_empty_blocks=false "$@"
