-- The log of a chain that is followed.
--
-- One integer stands for a transaction everywhere: its position, height * 2^26 + index in the block.
-- What belongs to a block as a whole stands at its end, at index 2^26 - 1. Rows are added at the end,
-- and dropped at the beginning.
--
-- Programs may open this file read-only while it is written.

-- first is where it began, oldest what is still there; before_oldest is the hash of the block before
-- that, or null if it is not known.
CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    chain_id TEXT NOT NULL,
    first INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    before_oldest BLOB
) STRICT;

-- events counts those that belong to no transaction. base64 is 1 if the node wrote keys and values of
-- attributes so.
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    seconds INTEGER NOT NULL,
    nanos INTEGER NOT NULL,
    transactions INTEGER NOT NULL,
    events INTEGER NOT NULL,
    base64 INTEGER NOT NULL
) STRICT;

-- Heights that no node could give.
CREATE TABLE gaps (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE transactions (
    position INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    code INTEGER NOT NULL,
    gas_wanted INTEGER NOT NULL,
    gas_used INTEGER NOT NULL,
    events INTEGER NOT NULL
) STRICT;

-- One hash may come more than once; these eight bytes are enough to find it.
CREATE INDEX transactions_by_hash ON transactions (substr(hash, 1, 8));

-- What block and block_results said, compressed (bodies.py): of each transaction, and the rest of each
-- block.
CREATE TABLE transaction_bodies (
    position INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE block_bodies (
    height INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Where events of a type happened. partial is 1 if that was not always written down.
CREATE TABLE types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    partial INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    type INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (type, position)
) STRICT, WITHOUT ROWID;

-- Where an attribute has a value; a key's name is type.key. partial is 1 if a value was ever left out.
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    partial INTEGER NOT NULL
) STRICT;

-- A value is text; an empty blob stands for those that are too long.
CREATE TABLE attributes (
    key INTEGER NOT NULL,
    value ANY NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (key, value, position)
) STRICT, WITHOUT ROWID;
