"""What any CometBFT or Tendermint node's RPC says: read, checked, and searched by queries.

Bytes of answers come in; blocks with their results go out, in one form for every release from 0.31
to 1.0. Answers are told apart by their shape and never by a version: a node behind a load balancer
may be another one for the next request, forks number themselves as they like, and a node that was
upgraded serves old heights in the new shape.

* `envelope` takes a body apart into results and errors, a large one in pieces (`gradual`), and
  `refusals` names what a node refused with;
* `blocks` and `results` read what was asked for; `events` knows the two spellings of attributes;
* `integrity` holds a block against its results, the block before it and the header after it, with
  the hashes of `hashes`: what a chain does not commit to is all that must be taken on trust;
* `query_parser`, `items` and `query_index` are the engine's query language, with `OR`, `NOT`, `IN`
  and parentheses, over what happened in a block; `frames` is what its own subscribers are sent.

No part of it knows a socket, a clock, a thread or a file.
"""
