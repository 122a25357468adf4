-- What programs may rely on. A view keeps its columns and their meaning as long as its name; when one
-- has to change, a v2_ view appears beside it. The prefix also leaves the plain names to the tables,
-- which may change with any release. sequence is the position, and orders as the chain does.
--
-- Columns that cost another look-up are subqueries, so they cost nothing unless they are selected.

-- A member may be written twice, the first time with NaN, which only Python reads: one such document
-- must not end a query over all of them, so it is null here.
CREATE VIEW readable AS
SELECT
    position,
    CASE WHEN json_valid(CAST(raw AS TEXT)) THEN CAST(raw AS TEXT) END AS document
FROM bodies;

CREATE VIEW v1_blocks AS
SELECT
    height,
    strftime('%Y-%m-%dT%H:%M:%S', seconds, 'unixepoch') || printf('.%09dZ', nanos) AS time,
    app_hash,
    accepted,
    refused,
    height << 26 AS first_sequence,
    (height << 26) + 67108863 AS last_sequence
FROM blocks;

-- In two parts, so that a query for an asset can use either index; the + keeps other queries from
-- using the second one, because they are faster in the chain's order.
CREATE VIEW v1_transactions AS
SELECT
    position AS sequence,
    position >> 26 AS height,
    position & 67108863 AS block_index,
    id,
    operation,
    id AS asset_id,
    hex(sha256) AS tx_hash,
    (SELECT document FROM readable WHERE position = own.position) AS document
FROM transactions AS own
WHERE asset_id IS NULL
UNION ALL
SELECT
    position,
    position >> 26,
    position & 67108863,
    id,
    operation,
    asset_id,
    hex(sha256),
    (SELECT document FROM readable WHERE position = moved.position)
FROM transactions AS moved
WHERE +asset_id IS NOT NULL;

-- spent_by is the id of the transaction that spent it, or null.
CREATE VIEW v1_outputs AS
SELECT
    position AS sequence,
    position >> 26 AS height,
    id AS transaction_id,
    output_index,
    id AS asset_id,
    amount,
    condition_uri,
    (SELECT id FROM transactions WHERE position = spent_by) AS spent_by
FROM transactions CROSS JOIN outputs USING (position)
WHERE asset_id IS NULL
UNION ALL
SELECT
    position,
    position >> 26,
    id,
    output_index,
    asset_id,
    amount,
    condition_uri,
    (SELECT id FROM transactions WHERE position = spent_by)
FROM transactions CROSS JOIN outputs USING (position)
WHERE +asset_id IS NOT NULL;

-- The keys in an output's public_keys; in_condition is 1 for those in its condition too.
CREATE VIEW v1_output_keys AS
SELECT
    public_key,
    position AS sequence,
    output_index,
    in_details AS in_condition
FROM keys
WHERE output_index >= 0 AND in_details < 2;

-- Rows in which in_condition is 1 are the outputs that GET /api/v1/outputs lists for a key: it is in
-- their condition, and in the public_keys of some output of the same transaction.
CREATE VIEW v2_output_keys AS
SELECT
    public_key,
    position AS sequence,
    output_index,
    in_details < 2 AS in_public_keys,
    in_details > 0 AS in_condition
FROM keys
WHERE output_index >= 0;

CREATE VIEW v1_assets AS
SELECT
    position AS sequence,
    id,
    (
        SELECT json_extract(document, '$.asset.data') FROM readable
        WHERE position = transactions.position
    ) AS data
FROM transactions
WHERE asset_id IS NULL;

CREATE VIEW v1_metadata AS
SELECT
    position AS sequence,
    id,
    (
        SELECT json_extract(document, '$.metadata') FROM readable
        WHERE position = transactions.position
    ) AS metadata
FROM transactions;

CREATE VIEW v1_refused AS
SELECT
    position AS sequence,
    position >> 26 AS height,
    position & 67108863 AS block_index,
    transaction_id,
    hex(sha256) AS tx_hash,
    error,
    reason
FROM refused;

-- votes and tokens stop at the greatest integer. An election is inconclusive if the validators have
-- changed since it was opened, or another chain has gone on; what is in force after the newest block
-- counts.
CREATE VIEW v1_elections AS
SELECT
    position AS sequence,
    position >> 26 AS height,
    id,
    operation,
    (
        SELECT CAST(
            printf(
                '%d%09d',
                sum(amount / 1000000000) + sum(amount % 1000000000) / 1000000000,
                sum(amount % 1000000000) % 1000000000
            ) AS INTEGER
        )
        FROM outputs WHERE position = own.position
    ) AS tokens,
    coalesce(
        (
            SELECT CAST(votes AS INTEGER) FROM tallies WHERE election = own.position
            ORDER BY height DESC LIMIT 1
        ),
        0
    ) AS votes,
    (
        SELECT height FROM tallies WHERE election = own.position AND concluded
    ) AS concluded_height,
    CASE
        WHEN EXISTS (SELECT 1 FROM tallies WHERE election = own.position AND concluded)
            THEN 'concluded'
        WHEN position >> 26 < (
            SELECT max(height) FROM validators
            WHERE height <= (SELECT max(height) FROM blocks)
        )
        OR position >> 26 < (
            SELECT max(initial_height) FROM moves
            WHERE initial_height <= (SELECT max(height) FROM blocks)
        )
            THEN 'inconclusive'
        ELSE 'ongoing'
    END AS status
FROM transactions AS own
WHERE operation IN ('VALIDATOR_ELECTION', 'CHAIN_MIGRATION_ELECTION')
    -- As the index says it.
    AND operation NOT IN ('CREATE', 'TRANSFER');
