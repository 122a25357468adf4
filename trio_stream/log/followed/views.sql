-- What programs may rely on, as for the log of a node: a view keeps its columns and their meaning as
-- long as its name. sequence is the position, and orders as the chain does.

CREATE VIEW v1_followed_chain AS
SELECT
    chain_id,
    oldest,
    max(
        coalesce((SELECT max(height) FROM blocks), oldest - 1),
        coalesce((SELECT max(last) FROM gaps), oldest - 1)
    ) AS tip
FROM chain;

CREATE VIEW v1_followed_blocks AS
SELECT
    height,
    strftime('%Y-%m-%dT%H:%M:%S', seconds, 'unixepoch') || printf('.%09dZ', nanos) AS time,
    hex(hash) AS hash,
    transactions,
    events
FROM blocks;

CREATE VIEW v1_gaps AS
SELECT
    first,
    last,
    reason,
    detail
FROM gaps;

CREATE VIEW v1_followed_transactions AS
SELECT
    position AS sequence,
    position >> 26 AS height,
    position & 67108863 AS block_index,
    hex(hash) AS tx_hash,
    code,
    gas_wanted,
    gas_used,
    events
FROM transactions;

-- Which types of events happened where; block_index is null for what belongs to a block as a whole.
CREATE VIEW v1_event_types AS
SELECT
    name AS type,
    position AS sequence,
    position >> 26 AS height,
    nullif(position & 67108863, 67108863) AS block_index
FROM types CROSS JOIN events ON events.type = types.id;

-- What index_keys says, and no more: other attributes are in no view.
CREATE VIEW v1_attributes AS
SELECT
    name AS key,
    value,
    position AS sequence,
    position >> 26 AS height,
    nullif(position & 67108863, 67108863) AS block_index
FROM keys CROSS JOIN attributes ON attributes.key = keys.id
WHERE typeof(value) = 'text';
