-- The commit log: every block of one chain, the state it made, and what subscribers are owed.
--
-- One integer stands for a transaction everywhere: its position, height * 2^26 + index in the
-- engine's block. It orders as the chain does, so rows are appended at the end of each table, a block
-- or a page of replay is one range, and every node numbers the same transactions alike.
-- Rows are only ever added; only outputs.spent_by changes. An index in another order than the chain's
-- costs a page for nearly every row once it is large, so there are few.
--
-- Programs may open this file read-only while the node runs.

-- The chain with which this log began.
CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    chain_id TEXT NOT NULL,
    rules INTEGER NOT NULL,
    start_hash TEXT NOT NULL,
    initial_height INTEGER NOT NULL,
    genesis_seconds INTEGER NOT NULL,
    genesis_nanos INTEGER NOT NULL
) STRICT;

-- The chains that went on with this log, each from its initial height on: the newest is in force. Where
-- chain_id is null, the log takes blocks of no chain until InitChain names the next one.
-- start_hash is the app hash before the block of the initial height, digest that of the log up to there.
CREATE TABLE moves (
    initial_height INTEGER PRIMARY KEY,
    chain_id TEXT,
    rules INTEGER NOT NULL,
    start_hash TEXT NOT NULL,
    genesis_seconds INTEGER NOT NULL,
    genesis_nanos INTEGER NOT NULL,
    digest TEXT
) STRICT;

-- A set of validators is in force from its height on: the genesis file's order, new members last.
-- The height after a block's is that of the set on which its votes decided.
CREATE TABLE validators (
    height INTEGER NOT NULL,
    place INTEGER NOT NULL,
    key_type TEXT NOT NULL,
    key BLOB NOT NULL,
    power INTEGER NOT NULL,
    PRIMARY KEY (height, place)
) STRICT, WITHOUT ROWID;

-- Every block of the engine, empty ones too; the time is its header's.
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    seconds INTEGER NOT NULL,
    nanos INTEGER NOT NULL,
    app_hash TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    refused INTEGER NOT NULL
) STRICT;

-- The contents of events, in small rows that replay reads one after the other.
-- asset_id is null if it is the transaction's own id.
CREATE TABLE transactions (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    asset_id TEXT,
    operation TEXT NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;

CREATE INDEX transactions_by_asset ON transactions (asset_id) WHERE asset_id IS NOT NULL;

-- For those who follow elections: the other operations are too common for an index.
CREATE INDEX transactions_by_rare_operation ON transactions (operation)
    WHERE operation NOT IN ('CREATE', 'TRANSFER');

-- The bytes of accepted transactions as the engine gave them.
CREATE TABLE bodies (
    position INTEGER PRIMARY KEY,
    raw BLOB NOT NULL
) STRICT;

-- condition_uri is what a spender must satisfy; null: nobody can.
-- spent_by is the position of the transaction that spent it.
CREATE TABLE outputs (
    position INTEGER NOT NULL,
    output_index INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    condition_uri TEXT,
    spent_by INTEGER,
    PRIMARY KEY (position, output_index)
) STRICT, WITHOUT ROWID;

-- Where a public key occurs: in an output's public_keys (and, if in_details is 1, in its condition
-- too), only in its condition (in_details is 2) if another output of the transaction has it in
-- public_keys, or, with output_index -1, among an input's owners_before.
CREATE TABLE keys (
    public_key TEXT NOT NULL,
    position INTEGER NOT NULL,
    output_index INTEGER NOT NULL,
    in_details INTEGER NOT NULL,
    PRIMARY KEY (public_key, position, output_index)
) STRICT, WITHOUT ROWID;

-- Transactions of the engine's blocks that were refused. transaction_id is the id they claimed.
CREATE TABLE refused (
    position INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL,
    transaction_id TEXT,
    error TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE INDEX refused_by_transaction_id ON refused (transaction_id)
    WHERE transaction_id IS NOT NULL;

-- What was counted for an election by the end of each block that held votes of it; the election is its
-- transaction's position. Sums have no limit, so they are text. concluded is 1 where the block's votes
-- decided the election, at most once for each.
CREATE TABLE tallies (
    election INTEGER NOT NULL,
    height INTEGER NOT NULL,
    votes TEXT NOT NULL,
    concluded INTEGER NOT NULL,
    PRIMARY KEY (election, height)
) STRICT, WITHOUT ROWID;

-- Where words occur in the strings of a transaction's asset and metadata; the rowid is its position.
-- Terms separated by blanks are written here (transactions/words.py), not the text itself, which is in
-- bodies; so a full-text query returns only rowid and rank.
CREATE VIRTUAL TABLE texts USING fts5 (
    asset,
    metadata,
    content = '',
    tokenize = "ascii tokenchars '_'''"
);
