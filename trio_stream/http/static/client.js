/**
 * A client of the stream: every event once and in order, over lost connections and restarts.
 *
 *     import {openStream} from "http://localhost:9984/client.js"
 *
 *     for await (const event of openStream("ws://localhost:9985", {after: "earliest"})) {
 *         console.log(event.transaction_id)
 *     }
 *
 * Several servers of the same chain may be given, and one is as good as another. The stream goes on
 * until it reaches the requested end (`until`), the caller leaves the loop, or nothing can be done,
 * which throws a `StreamError`: the question is wrong, the position is of another history, or a
 * server is at fault. Anything else is retried.
 *
 * Streams of a followed chain are read in the same way (`{stream: "events", query: "transfer.amount > 5"}`).
 * Several events may share a position there, and only the last of them has it; blocks that the server
 * could not get are a message with the member `gap`.
 *
 * Runs in browsers, and in Node from release 22 on (before that, give a `WebSocket` class as an option).
 * Browsers show no headers of a WebSocket's answer, so the client asks for notices: the first of them
 * says where the stream begins.
 */

/** The stream cannot go on, whichever server is asked. */
export class StreamError extends Error {
    get name() {
        return this.constructor.name
    }
}

/**
 * A server refuses the question, or the position is of another history (400, 409), or no server has what
 * follows it any more (410).
 */
export class Refused extends StreamError {
    constructor(url, status, details) {
        super(`${url} ${reasonOf(status, details)}`)
        this.url = url
        this.status = status
        this.details = details
    }
}

/** A server does not say where its stream begins, so nothing could be resumed there. */
export class NotResumable extends StreamError {
    constructor(url) {
        super(
            `${url} does not say where its stream begins, as trio_stream does: events that are ` +
                "missed while the connection is lost could not be recovered",
        )
        this.url = url
    }
}

/** A server sent what it must not: a repeat, a step back, no position. */
export class ServerFault extends StreamError {}

/** There is no connection any more, and another attempt is due. */
class Lost extends Error {}

const STREAMS_PATH = "/api/v1/streams/"
/** The last three are those of a followed chain. */
const STREAMS = [
    ...["valid_transactions", "valid_blocks", "refused_transactions"],
    ...["transactions", "blocks", "events"],
]
/** Parameters that the client adds itself; in a URL they would be given twice. */
const OURS = ["after", "from_height", "until", "detail", "notices"]
const FILTERS = {
    ...{assetId: "asset_id", publicKey: "public_key", operation: "operation"},
    ...{query: "query", sender: "sender", recipient: "recipient", contract: "contract", action: "action"},
}
const DEFAULTS = {
    stream: undefined,
    after: undefined,
    fromHeight: undefined,
    until: undefined,
    assetId: [],
    publicKey: [],
    operation: [],
    query: [],
    sender: [],
    recipient: [],
    contract: [],
    action: [],
    match: undefined,
    detail: "position",
    emptyBlocks: false,
    checkpoint: undefined,
    checkpointEvery: 1,
    connectTimeout: 10,
    silenceTimeout: 60,
    token: undefined,
    ticket: undefined,
    signal: undefined,
    onstate: () => {},
    jitter: Math.random,
    WebSocket: undefined,
}

/** Seconds before the second attempt; they double with each round of all servers. */
const FIRST_DELAY = 0.2
const LONGEST_DELAY = 30
/**
 * Messages read ahead of the caller. A browser's WebSocket cannot be told to wait, so beyond this the
 * connection is closed, and opened again at the same place once the caller has caught up. Within a
 * position only the characters count: all its events would have to come again.
 */
const AHEAD = 5_000
const AHEAD_CHARACTERS = 32 * 1024 * 1024

const DONE = 1000
const GONE = 410
const FINAL = [400, 409, GONE]

/**
 * The events of a stream. See `client.d.ts` for the options.
 *
 * Asking for the next event says that the one before has been processed. Leaving the loop does not, since
 * JavaScript does not tell an iterator whether an error was the reason: call `processed()` before.
 * Throws a TypeError for options or URLs that cannot be meant.
 */
export function openStream(urls, options = {}) {
    return new Events(urls, options)
}

/** A checkpoint for `options.checkpoint` that keeps the position in a browser's storage. */
export function storageCheckpoint(key, storage = globalThis.localStorage) {
    return {
        load: () => storage.getItem(key),
        save: (position) => storage.setItem(key, position),
    }
}

/** The events of an open stream, for one `for await` loop. */
export class Events {
    /** How far the stream has been handed out; null before it has begun. */
    position = null

    #servers
    #options
    #progress
    #route
    #marks
    #queue = []
    #characters = 0
    #wake = () => {}
    #hungry = () => {}
    #error = null
    #ended = false
    #running = null
    #leave = new AbortController()

    constructor(urls, options) {
        checkNames(options)
        this.#options = {...DEFAULTS, ...withoutUndefined(options)}
        const {stream, after, fromHeight, until, checkpointEvery, jitter, signal} = this.#options
        this.#servers = readUrls(urls, stream)
        this.#progress = new Progress(after, fromHeight, until)
        this.#route = new Route(this.#servers.length, jitter)
        this.#marks = new Marks(checkpointEvery)
        this.#options.WebSocket ??= globalThis.WebSocket
        if (this.#options.WebSocket === undefined) {
            throw new TypeError("this runtime has no WebSocket; give a class as an option")
        }
        signal?.addEventListener("abort", () => this.close(), {once: true})
        if (signal?.aborted) this.close()
    }

    [Symbol.asyncIterator]() {
        return this
    }

    /** The next event. What was handed out before counts as processed from now on. */
    async next() {
        this.#marks.settle()
        this.#running ??= this.#run()
        for (;;) {
            await this.#save(this.#queue.length === 0)
            const item = this.#queue.shift()
            if (item === undefined) {
                if (this.#error !== null) throw this.#error
                if (this.#ended) return {done: true, value: undefined}
                await new Promise((resolve) => (this.#wake = resolve))
                continue
            }
            this.#characters -= item.size
            if (this.#queue.length <= AHEAD / 10) this.#hungry()
            this.position = item.position
            if (item.event !== null) {
                this.#marks.handOut(item.isLast ? item.position : null)
                return {done: false, value: item.event}
            }
            this.#marks.skipTo(item.position)
        }
    }

    /** Say that the event in hand has been processed, without asking for the next one. */
    processed() {
        this.#marks.settle()
    }

    /** Called when a loop is left. */
    async return() {
        this.close()
        await this.#save(true)
        return {done: true, value: undefined}
    }

    /** End the stream at once; a loop that waits for an event ends. */
    close() {
        this.#queue = []
        this.#end()
    }

    #end() {
        this.#ended = true
        this.#leave.abort()
        this.#wake()
        this.#hungry()
    }

    async #save(idle) {
        const position = this.#marks.due(idle)
        if (position !== null && this.#options.checkpoint) {
            await this.#options.checkpoint.save(position)
            this.#marks.saved(position)
        }
    }

    async #run() {
        try {
            const saved = await this.#options.checkpoint?.load()
            if (saved !== null && saved !== undefined) this.#progress.goOnAfter(saved)
            while (!this.#ended) await this.#attempt()
        } catch (error) {
            this.#error = error
        }
        this.#end()
    }

    /** One connection, and the pause behind it if it was lost. */
    async #attempt() {
        const {url, ask} = this.#servers[this.#route.turn]
        const began = performance.now()
        let lost
        try {
            this.#tell("connecting", {url})
            const parameters = this.#parameters()
            const end = await this.#follow(url, ask(parameters), await this.#protocols())
            if (end === "done") {
                this.#ended = true
                return
            }
            this.#tell(end, {url})
            if (end === "full") await this.#drained()
            else this.#route.next()
            return
        } catch (error) {
            // What one server has pruned, another may have.
            const isOver = error.status !== GONE || this.#route.lacks()
            if (isOver && !(error instanceof Lost)) throw error
            lost = error
        }
        if (this.#progress.finished) {
            this.#ended = true
            return
        }
        if (performance.now() - began > LONGEST_DELAY * 1000) this.#route.worked()
        const delay = this.#route.failed()
        this.#tell("waiting", {url, delay, reason: lost.message})
        await sleep(delay, this.#leave.signal)
    }

    #parameters() {
        const {detail, emptyBlocks, match} = this.#options
        // Each message has to say its position, or nothing could be resumed.
        const found = [["detail", detail], ["notices", "1"]]
        for (const [name, parameter] of Object.entries(FILTERS)) {
            for (const value of [this.#options[name]].flat()) found.push([parameter, value])
        }
        if (match !== undefined) found.push(["match", match])
        if (emptyBlocks) found.push(["empty_blocks", "1"])
        return [...found, ...this.#progress.parameters()]
    }

    /** What says who is asking: the only header that browsers let a page set. */
    async #protocols() {
        const {token, ticket} = this.#options
        if (ticket !== undefined) return ["trio-stream", `ticket.${await ticket()}`]
        return token === undefined ? [] : ["trio-stream", `bearer.${base64url(token)}`]
    }

    /**
     * Read one connection until the stream has ended ("done"), too much was read ahead ("full"), or nothing
     * was heard for long ("silent"). Throws a StreamError or Lost.
     */
    #follow(url, target, protocols) {
        const {connectTimeout, silenceTimeout, WebSocket} = this.#options
        return new Promise((resolve, reject) => {
            const socket = new WebSocket(target, protocols)
            let begun = false
            let timer
            const finish = (settle, value) => {
                clearTimeout(timer)
                this.#leave.signal.removeEventListener("abort", left)
                socket.onmessage = socket.onerror = socket.onclose = null
                // Browsers report an error of the page if it closes what is not open yet.
                if (value === "done" && socket.readyState === 0) socket.onopen = () => socket.close()
                else socket.close()
                settle(value)
            }
            const left = () => finish(resolve, "done")
            const watch = (seconds, settle, value) => {
                clearTimeout(timer)
                timer = setTimeout(() => finish(settle, value), seconds * 1000)
            }
            this.#leave.signal.addEventListener("abort", left)
            watch(connectTimeout, reject, new Lost(`no answer within ${connectTimeout} seconds`))
            socket.onmessage = ({data}) => {
                try {
                    if (begun) this.#read(url, data)
                    else this.#begin(url, data)
                } catch (error) {
                    finish(reject, error)
                    return
                }
                begun = true
                // A browser shows no pings: whether a quiet server is alive only a new connection tells.
                watch(silenceTimeout, resolve, "silent")
                if (this.#isFull) finish(resolve, "full")
            }
            // A close follows at once, and says more; only in Node 20 there is none if nothing was opened.
            socket.onerror = () => watch(0, reject, new Lost("not connected, or cut"))
            socket.onclose = ({code, reason}) => {
                const ends = this.#progress.ends && !this.#progress.isWithin
                if (code === DONE && ends) finish(resolve, "done")
                else finish(reject, verdict(url, code, reason))
            }
        })
    }

    #begin(url, data) {
        const message = parseMessage(url, data)
        if (message.notice === "refused") throw refusal(url, message.status, message)
        if (message.notice !== "subscribed") throw new NotResumable(url)
        const position = this.#progress.begin(url, message)
        this.#tell("subscribed", {url, position, oldest: message.oldest, tip: message.tip})
        this.#add({position, event: null, size: 0})
    }

    #read(url, data) {
        const message = parseMessage(url, data)
        if ("notice" in message && !("transaction_id" in message)) {
            if (message.notice === "refused") throw refusal(url, message.status, message)
            this.#add({position: this.#progress.stand(url, message.position), event: null, size: 0})
            this.#tell(message.notice, {url, position: message.position})
        } else if ("event_index" in message) {
            const position = this.#progress.take(url, message)
            // A repeat is no sign that this server works better than before.
            if (position === null) return
            this.#add({position, event: message, size: data.length, isLast: "position" in message})
        } else {
            if (message.gap) this.#progress.leave(message.gap.first)
            const position = this.#progress.advance(url, message.position)
            this.#add({position, event: message, size: data.length, isLast: true})
        }
        this.#route.worked()
    }

    #add(item) {
        this.#queue.push(item)
        this.#characters += item.size
        this.#wake()
    }

    get #isFull() {
        if (this.#characters >= AHEAD_CHARACTERS) return true
        return this.#queue.length >= AHEAD && !this.#progress.isWithin
    }

    /** Wait until the caller has taken most of what was read ahead. */
    async #drained() {
        if (this.#queue.length > AHEAD / 10 && !this.#ended) {
            await new Promise((resolve) => (this.#hungry = resolve))
        }
    }

    #tell(state, details) {
        this.#options.onstate({state, ...details})
    }
}

/** How far the stream has come. Each step must lead forward. */
class Progress {
    #text
    #given
    #fromHeight
    #until
    #chain = ""
    /** The last event that came, if more of its position are to come. */
    #part = null
    /** Has the server yet to send that one again? */
    #isRepeating = false

    constructor(after, fromHeight, until) {
        if (after !== undefined && fromHeight !== undefined) {
            throw new TypeError("give either after or fromHeight, not both")
        }
        this.#text = after
        this.#given = after === undefined ? null : parsePosition(after)
        this.#fromHeight = fromHeight
        this.#until = until
    }

    /** Is there an end, rather than a stream for ever? */
    get ends() {
        return this.#until !== undefined
    }

    /** Has the end been reached for certain? */
    get finished() {
        return (
            typeof this.#until === "number" &&
            this.#given !== null &&
            this.#given.key >= keyOf(this.#until, null)
        )
    }

    /** Have only some of a position's events come? */
    get isWithin() {
        return this.#part !== null
    }

    goOnAfter(position) {
        const given = parsePosition(position)
        if (given === null) throw new TypeError(`the checkpoint holds no position, but ${position}`)
        this.#text = position
        this.#given = given
        this.#fromHeight = undefined
    }

    /** What to ask for, to go on from here. */
    parameters() {
        const found = []
        if (this.#text !== undefined) found.push(["after", this.#text])
        else if (this.#fromHeight !== undefined) found.push(["from_height", this.#fromHeight])
        if (this.ends) found.push(["until", this.#until])
        return found
    }

    /** A server's notice says where it begins. */
    begin(url, {position, oldest, tip, chain}) {
        const given = this.#parse(url, position)
        if (this.#given !== null && !beginsAt(given, this.#given, oldest)) {
            throw new ServerFault(`${url} begins at ${position}, asked for what is after ${this.#text}`)
        }
        if (chain && this.#chain && chain !== this.#chain) {
            throw new ServerFault(`${url} is of the chain ${chain}, not of ${this.#chain}`)
        }
        this.#chain ||= chain
        // The end stays where it was, however often the connection is lost.
        if (this.#until === "tip" && Number.isInteger(tip)) this.#until = tip
        this.#isRepeating = this.isWithin
        return this.#move(position, given)
    }

    /** A message came whose position is this. */
    advance(url, position) {
        const given = this.#parse(url, position)
        this.#expectNothingElse(url, position)
        if (this.#given !== null && given.key <= this.#given.key) {
            const what = given.key === this.#given.key ? "again" : "a step back"
            throw new ServerFault(`${url} sent ${position} ${what}: ${this.#text} had been reached`)
        }
        return this.#move(position, given)
    }

    /**
     * An event came, of whose position only the last one says it. Returns the position that is reached, or
     * null if the event came before.
     */
    take(url, {height, index, event_index: number, position}) {
        const isPlaced = [height, index ?? 0, number].every((each) => Number.isInteger(each) && each >= 0)
        if (!isPlaced) throw new ServerFault(`${url} sent an event without its place`)
        const part = {key: keyOf(height, index ?? null), number, height}
        part.text = `event ${number} of ${height}${index === undefined ? "" : `:${index}`}`
        const before = this.#part
        if (before === null) {
            if (this.#given !== null && part.key <= this.#given.key) {
                throw new ServerFault(`${url} sent ${part.text} again: ${this.#text} had been reached`)
            }
        } else if (part.key !== before.key) {
            this.#expectNothingElse(url, part.text)
        } else if (this.#isRepeating) {
            if (number > before.number || position !== undefined) {
                throw new ServerFault(`${url} sent ${part.text}, but not ${before.text} as before`)
            }
            this.#isRepeating = number < before.number
            return null
        } else if (number <= before.number) {
            throw new ServerFault(`${url} sent ${part.text} after ${before.text}`)
        }
        this.#part = part
        if (position === undefined) return this.#text
        const given = this.#parse(url, position)
        if (given.key !== part.key) throw new ServerFault(`${url} sent ${part.text} with the position ${position}`)
        this.#part = null
        return this.#move(position, given)
    }

    /** The blocks from this height on are missing at the server. */
    leave(first) {
        if (this.#part !== null && this.#part.height >= first) {
            this.#part = null
            this.#isRepeating = false
        }
    }

    #expectNothingElse(url, what) {
        if (this.#part !== null) throw new ServerFault(`${url} went on to ${what}, last was ${this.#part.text}`)
    }

    /** A notice says that everything up to this position is done. */
    stand(url, position) {
        const given = this.#parse(url, position)
        if (this.#part !== null && given.key >= this.#part.key) this.#expectNothingElse(url, position)
        if (this.#given !== null && given.key < this.#given.key) {
            throw new ServerFault(`${url} stands at ${position}: ${this.#text} had been reached`)
        }
        return this.#move(position, given)
    }

    #parse(url, position) {
        const given = typeof position === "string" ? parsePosition(position) : null
        if (given === null) {
            throw new ServerFault(`${url} sent no position, but ${String(position).slice(0, 100)}`)
        }
        return given
    }

    #move(position, given) {
        this.#text = position
        this.#given = given
        return position
    }
}

/** Which server is asked next, and after which delay. */
class Route {
    turn = 0
    #count
    #jitter
    #failures = 0
    #without = new Set()

    constructor(count, jitter) {
        this.#count = count
        this.#jitter = jitter
    }

    worked() {
        this.#failures = 0
        this.#without.clear()
    }

    /** The server whose turn it is no longer has what comes next: does none have it? */
    lacks() {
        this.#without.add(this.turn)
        return this.#without.size === this.#count
    }

    next() {
        this.turn = (this.turn + 1) % this.#count
    }

    /** It is the next one's turn, after so many seconds. */
    failed() {
        const rounds = Math.floor(this.#failures / this.#count)
        this.#failures += 1
        this.next()
        const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(rounds, 20))
        return delay * (0.5 + this.#jitter() / 2)
    }
}

/** Which position may be saved, and when: never one ahead of the caller's work. */
class Marks {
    #every
    #inHand = null
    #processed = null
    #count = 0

    constructor(every) {
        if (!(every >= 1)) throw new TypeError(`checkpointEvery is at least 1, not ${every}`)
        this.#every = every
    }

    handOut(position) {
        this.#inHand = position
    }

    settle() {
        if (this.#inHand === null) return
        this.#processed = this.#inHand
        this.#inHand = null
        this.#count += 1
    }

    skipTo(position) {
        this.#processed = position
        this.#count = this.#every
    }

    due(idle) {
        return idle || this.#count >= this.#every ? this.#processed : null
    }

    saved(position) {
        this.#count = 0
        if (this.#processed === position) this.#processed = null
    }
}

// A position is <height>:<index>, <height>:<index>:<id>, <height> or <height>::<app hash>.
const POSITION = /^(\d{1,18})(?::(\d{1,8})(?::([0-9a-f]{8}))?|::((?:[0-9a-f]{8})?))?$/i
const INDEX_BITS = 26n
const END_OF_BLOCK = (1n << INDEX_BITS) - 1n

/** The order and the fingerprint of a position; null for `earliest`, an id, or anything else. */
function parsePosition(text) {
    const found = POSITION.exec(text)
    if (found === null) return null
    const [, height, index, transaction, block] = found
    const fingerprint = (transaction ?? block)?.toLowerCase() ?? null
    return {key: keyOf(height, index ?? null), fingerprint}
}

function keyOf(height, index) {
    return (BigInt(height) << INDEX_BITS) | (index === null ? END_OF_BLOCK : BigInt(index))
}

/** Is this where it was asked to begin? */
function beginsAt(given, asked, oldest) {
    if (given.key === asked.key) {
        const known = given.fingerprint && asked.fingerprint
        return !known || given.fingerprint === asked.fingerprint
    }
    // What is before the first block of the chain is the beginning of the chain.
    if (!Number.isInteger(oldest)) return false
    return asked.key < given.key && given.key === keyOf(oldest - 1, null)
}

/** The servers' addresses, each with what asks it for a stream. */
function readUrls(urls, stream) {
    if (stream !== undefined && !STREAMS.includes(stream)) {
        throw new TypeError(`unknown stream ${stream}; there are ${STREAMS.join(", ")}`)
    }
    const servers = [urls].flat().map((url) => readUrl(String(url), stream))
    if (servers.length === 0) throw new TypeError("no URL was given")
    const streams = new Set(servers.map((each) => each.stream))
    if (streams.size > 1) {
        const names = [...streams].sort().join(" and ")
        throw new TypeError(`all URLs must be of the same stream, not of ${names}`)
    }
    const [named] = streams
    if (stream !== undefined && named !== stream) {
        throw new TypeError(`the URL is of the stream ${named}, not of ${stream}`)
    }
    return servers
}

function readUrl(url, stream) {
    let parsed
    try {
        parsed = new URL(url)
    } catch {
        parsed = {protocol: ""}
    }
    if (!["ws:", "wss:"].includes(parsed.protocol)) {
        throw new TypeError(`a stream is at ws://HOST:PORT or wss://HOST:PORT, not at ${url}`)
    }
    if (parsed.username || parsed.password || parsed.hash) {
        throw new TypeError(`a name, a password or a fragment in ${url} would not be sent`)
    }
    const twice = OURS.find((name) => parsed.searchParams.has(name))
    if (twice) throw new TypeError(`${twice} is an option, not to be written in ${url}`)
    if (parsed.pathname === "/") parsed.pathname = STREAMS_PATH + (stream ?? STREAMS[0])
    const ask = (parameters) => {
        const asked = new URL(parsed)
        for (const [name, value] of parameters) asked.searchParams.append(name, value)
        return asked.href
    }
    return {url, ask, stream: parsed.pathname.replace(/\/+$/, "").split("/").pop()}
}

function checkNames(options) {
    for (const name of Object.keys(options)) {
        if (name in DEFAULTS) continue
        const letters = (text) => [...text.toLowerCase().replace(/[^a-z]/g, "")].sort().join("")
        const meant = Object.keys(DEFAULTS).find((known) => letters(known) === letters(name))
        const hint = meant ? `did you mean ${meant}?` : Object.keys(DEFAULTS).join(", ")
        throw new TypeError(`unknown option ${name}; ${hint}`)
    }
}

function withoutUndefined(options) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null)
    return Object.fromEntries(given)
}

function parseMessage(url, data) {
    let message = null
    try {
        message = JSON.parse(data)
    } catch {
        // Said below.
    }
    if (message === null || typeof message !== "object" || Array.isArray(message)) {
        throw new ServerFault(`${url} sent what is not a message: ${String(data).slice(0, 100)}`)
    }
    return message
}

/** What a close means. */
function verdict(url, code, reason) {
    if (code >= 4400 && code < 4600) return refusal(url, code - 4000, {error: reason})
    if (code === 1009) return new ServerFault(`${url} sent a message that is too large`)
    return new Lost(code === 1006 ? "not connected, or cut" : `closed with ${code} ${reason}`)
}

function refusal(url, status, details) {
    return FINAL.includes(status) || details.error === "unknown_stream"
        ? new Refused(url, status, details)
        : new Lost(reasonOf(status, details))
}

function reasonOf(status, {message, error}) {
    return `refused with ${status}: ${message || error || "no reason given"}`
}

function base64url(text) {
    const bytes = String.fromCharCode(...new TextEncoder().encode(text))
    return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
}

function sleep(seconds, signal) {
    return new Promise((resolve) => {
        const done = () => {
            clearTimeout(timer)
            signal.removeEventListener("abort", done)
            resolve()
        }
        const timer = setTimeout(done, seconds * 1000)
        signal.addEventListener("abort", done)
        if (signal.aborted) done()
    })
}
