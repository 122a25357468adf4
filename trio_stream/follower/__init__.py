"""A chain that is not ours, followed by its nodes' RPC, height by height.

The height that is next decides what is asked; nothing a node announces does more than wake. Each
block is asked for with its results in one batch, so that one node gives both, is checked against
what the chain commits to, and goes to the log before it is announced. What is asked for ahead of
its turn (`catch_up`) is only kept as bytes; all that can be wrong is seen at its turn, in one place
(`follower`), which waits, asks another node, records a gap, or stops. It never skips.
"""
