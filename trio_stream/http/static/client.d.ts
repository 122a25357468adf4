/** One key and its value, of an event of a followed chain. */
export interface Attribute {
    key: string
    value: string
}

/** Blocks that a server could not get. */
export interface Gap {
    first: number
    last: number
    /** In one word. */
    reason: string
    detail: string
}

/** The names of streams; the last three are those of a followed chain. */
export type StreamName =
    | "valid_transactions"
    | "valid_blocks"
    | "refused_transactions"
    | "transactions"
    | "blocks"
    | "events"

/** A message of the stream. With `detail: "full"` it holds the transaction too. */
export interface StreamEvent {
    /** Of all but gaps. */
    height: number
    /** Of all but `events`, where only the last one of a transaction or block has it. */
    position: string
    time?: string
    /** Of `valid_transactions` and `refused_transactions`. */
    transaction_id?: string
    asset_id?: string
    index?: number
    tx_hash?: string
    transaction?: unknown
    /** Of `transactions` and `blocks`; one of `blocks` and `events` says the phase. */
    events?: {type: string; attributes: Attribute[]; phase?: string}[]
    code?: number
    /** Of `events`, which are numbered within their transaction or block. */
    event_index?: number
    type?: string
    attributes?: Attribute[]
    phase?: string
    /** In place of all else but the position: blocks are missing. */
    gap?: Gap
    [member: string]: unknown
}

/** Keeps a position: a key in a store, a row in a database. */
export interface Checkpoint {
    /** The position that was saved last; null if there was none. */
    load(): string | null | undefined | Promise<string | null | undefined>
    /** Keep it. When the result has been awaited, it is kept. */
    save(position: string): unknown
}

/** What the client is doing, for a display. */
export type State =
    | {state: "connecting"; url: string}
    | {state: "subscribed"; url: string; position: string; oldest: number; tip: number}
    | {state: "caught_up" | "fell_behind" | "checkpoint" | "closing"; url: string; position: string}
    /** The caller is slow: the connection is closed until it has caught up. */
    | {state: "full"; url: string}
    /** Nothing was heard for `silenceTimeout`: a new connection is made at once. */
    | {state: "silent"; url: string}
    | {state: "waiting"; url: string; delay: number; reason: string}

export interface Options {
    /** If the URL has no path. Left out: "valid_transactions". */
    stream?: StreamName
    /** Exclusive: a position, a transaction's id, or "earliest". Left out: from now on. */
    after?: string | null
    /** Inclusive: the height of a block. */
    fromHeight?: number | null
    /** Inclusive: "tip" or the height of a block. Left out: never. */
    until?: number | "tip" | null
    /** Filters: *or* between the values of one, *and* between them. */
    assetId?: string | readonly string[]
    publicKey?: string | readonly string[]
    operation?: string | readonly string[]
    /** Of a followed chain: conditions in CometBFT's language; of several, one has to hold. */
    query?: string | readonly string[]
    /** Of a followed chain: by the common keys of the Cosmos SDK. */
    sender?: string | readonly string[]
    recipient?: string | readonly string[]
    contract?: string | readonly string[]
    action?: string | readonly string[]
    /** Of a followed chain: conditions may hold in different events ("any"), or all in one. */
    match?: "any" | "event"
    detail?: "position" | "full"
    /** Of the stream of blocks, also the empty ones. */
    emptyBlocks?: boolean
    /** A position that it holds takes precedence over `after` and `fromHeight`. */
    checkpoint?: Checkpoint | null
    /** Save after so many events, and whenever the next one has to be waited for. */
    checkpointEvery?: number
    /** Seconds until a server must have said where the stream begins. */
    connectTimeout?: number
    /** Seconds without a message after which a new connection is made. */
    silenceTimeout?: number
    /** For a server that asks for one. It is sent as a subprotocol, never in a URL. */
    token?: string
    /** In place of `token`: gets a ticket for each connection, say from a server of your own. */
    ticket?: () => string | Promise<string>
    /** Ends the stream. */
    signal?: AbortSignal
    onstate?: (state: State) => void
    /** A number from 0 to 1, by which delays are spread. */
    jitter?: () => number
    /** A class to use in place of the runtime's. */
    WebSocket?: new (url: string, protocols: string[]) => WebSocket
}

export class Events implements AsyncIterableIterator<StreamEvent> {
    /** How far the stream has been handed out; null before it has begun. */
    readonly position: string | null
    [Symbol.asyncIterator](): this
    next(): Promise<IteratorResult<StreamEvent, undefined>>
    return(): Promise<IteratorResult<StreamEvent, undefined>>
    /** Say that the event in hand has been processed, without asking for the next one. */
    processed(): void
    /** End the stream at once. */
    close(): void
}

export function openStream(urls: string | URL | readonly (string | URL)[], options?: Options): Events
export function storageCheckpoint(key: string, storage?: Pick<Storage, "getItem" | "setItem">): Checkpoint

export class StreamError extends Error {}
export class Refused extends StreamError {
    readonly url: string
    readonly status: number
    readonly details: Readonly<Record<string, unknown>>
}
export class NotResumable extends StreamError {
    readonly url: string
}
export class ServerFault extends StreamError {}
