"""What a subscriber to a followed chain is owed: which messages, and what they say.

`selection` is what a subscriber asked for, as a value; `messages` are the texts that it gets, made
of what `trio_stream.cometbft` reads. New blocks are cut into `runs`, `matching` says who gets what
of one, and `composer` makes the frames; of old ones the log makes the same bytes (`chooser`).
Positions and frames are those of `trio_stream.stream`, which knows no chain's contents.
"""
