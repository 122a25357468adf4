"""The engine's own JSON-RPC, for programs that speak it: what they ask a node for, they ask here.

`subscribe` is answered from the log, as the node that is followed would answer it, but nothing is
lost, and there is no limit of five subscriptions. All other methods are passed to a node.
"""
