"""What a subscriber to a followed chain is owed: which messages, and what they say.

`selection` is what a subscriber asked for, as a value; `messages` are the texts that it gets. They
are made of what `trio_stream.cometbft` reads, for live blocks and for old ones alike. Positions and
frames are those of `trio_stream.stream`, which knows no chain's contents.
"""
