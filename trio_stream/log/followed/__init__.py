"""The log of a chain that is followed: the blocks of others, as their nodes gave them.

Its file is opened, written, read and kept short by the same rooms as the log of a node of ours
(`log.file`, `log.writing`, `log.connections`, `log.checkpoint`); its tables are of its own. Nothing
here judges a transaction, so there is no state beside the history, and the oldest part of that can
be dropped: `oldest` says where it begins.

A block is stored as the node spelled it, compressed and cut apart, so that a transaction can be
read without its block; all that is served is made of that, as `cometbft` reads it. What queries
ask for is found by an index of types and of keys with their values, which is bounded, and may
leave out what it likes: it only says where to look.
"""
