/** The live page: what this node commits, as it is committed. It uses nothing but the public API. */

import {clockAhead, get, keepToken, token} from "./api.js"
import {ago, byId, clockTime, copy, duration, element, isDemo, searchLink, short, write} from "./dom.js"
import {showExamples} from "./examples.js"
import {Feed, Rows} from "./feed.js"
import {Plot} from "./plot.js"
import {startSearch} from "./search.js"

const POLL_SECONDS = 2
/** How many blocks from before the page was opened are shown, so that it is not empty on a quiet chain. */
const RECENT_BLOCKS = 20
/** A block that arrives later than this was missed while there was no connection. */
const LONGEST_LATENCY = 600_000

const now = () => Date.now() + clockAhead
/** The streams, at this very address. */
const STREAMS = new URL("/api/v1/streams/", location.href.replace(/^http/, "ws"))
let height = 0
let newestTime = null

// --- events and blocks ------------------------------------------------------------------------

const second = {count: 0, latencies: []}
const watching = new EventTarget()
const eventRows = new Rows("events", eventRow, (unseen) => {
    write("count", unseen ? `held; ${unseen.toLocaleString()} new` : "")
})
const blockRows = new Rows("blocks", blockRow)
let arrived = {height: 0, at: 0}

const events = new Feed({
    onmessage(event, isNew) {
        if (isNew) second.count += 1
        eventRows.add(event)
        if (isDemo) watching.dispatchEvent(new CustomEvent("event", {detail: event}))
    },
    onstate(change) {
        showConnection(change)
        // A refusal may be for good, and says what is wrong; the client tries again nevertheless.
        if (change.state === "ended" || /^refused/.test(change.reason)) write("message", change.reason)
        if (change.state === "subscribed") write("message", "")
    },
})

const blocks = new Feed({
    onmessage(block, isNew) {
        const at = now()
        if (isNew) noteLatency(block, at)
        arrived = {height: block.height, at}
        height = Math.max(height, block.height)
        newestTime = Date.parse(block.time)
        blockRows.add(block)
    },
    onstate() {},
})

/**
 * A block's header has the time of the votes on the block before it, so this block tells how long that
 * one was under way from the votes to this page.
 */
function noteLatency(block, at) {
    if (arrived.height !== block.height - 1) return
    const latency = Math.max(0, arrived.at - Date.parse(block.time))
    if (latency < LONGEST_LATENCY) second.latencies.push(latency)
}

function eventRow(event) {
    const id = event.transaction_id
    const row = element("tr", {}, cell(searchLink(String(event.height)), "height"))
    row.append(cell(clockTime(event.time), "time"))
    if (event.error) {
        row.append(cell(event.error, "kind bad"), cell(id ? searchLink(id, id) : event.tx_hash))
        row.append(element("td", {className: "about", title: event.reason, text: event.reason}))
    } else {
        row.append(cell(event.asset_id === id ? "CREATE" : "TRANSFER", "kind"))
        row.append(cell(searchLink(id, id)), cell(searchLink(event.asset_id, event.asset_id), "about"))
    }
    return row
}

function blockRow(block) {
    const row = element("tr", {}, cell(searchLink(String(block.height)), "height"))
    row.append(cell(clockTime(block.time), "time"))
    row.append(cell(block.transaction_ids.length.toLocaleString()))
    return row
}

function cell(content, className = "") {
    return element("td", {className}, content)
}

function showConnection({state, reason, delay}) {
    const says = {
        connecting: ["connecting", "connecting"],
        subscribed: ["connecting", "catching up"],
        fell_behind: ["connecting", "catching up"],
        caught_up: ["live", "live"],
        waiting: ["waiting", `connection lost, next attempt in ${Math.ceil(delay)} s`],
        closing: ["waiting", "the node is stopping"],
        ended: ["ended", "not following"],
    }[state]
    if (state === "waiting") byId("connection").title = reason
    if (says === undefined) return
    // A connection that is only renewed is no news.
    if (state === "connecting" && byId("connection").dataset.state === "live") return
    byId("connection").dataset.state = says[0]
    write("connection", says[1])
}

function follow() {
    const given = Object.fromEntries(
        [...new FormData(byId("filters"))].map(([name, value]) => [name, value.trim()]),
    )
    const options = {}
    for (const name of ["assetId", "publicKey", "operation"]) if (given[name]) options[name] = given[name]
    if (given.after === "") options.fromHeight = Math.max(1, height - RECENT_BLOCKS + 1)
    else if (given.after !== "now") options.after = given.after
    write("message", "")
    eventRows.clear("Nothing yet. Events appear here as soon as they are committed.", 5)
    events.follow(new URL(given.stream, STREAMS), options)
}

function followBlocks() {
    const fromHeight = Math.max(1, height - RECENT_BLOCKS + 1)
    blocks.follow(new URL("valid_blocks", STREAMS), {emptyBlocks: true, fromHeight})
}

// --- the node ---------------------------------------------------------------------------------

async function showStatus() {
    const status = await get("/api/v1/status")
    const {engine, subscribers} = status
    height = Math.max(height, status.height)
    if (status.block_time) newestTime = Math.max(newestTime ?? 0, Date.parse(status.block_time))
    write("chain", status.chain_id ?? "no block yet")
    byId("chain").title = status.chain_id ?? ""
    write("ended", status.ended?.message ?? "")
    byId("ended").hidden = !status.ended
    write("version", `trio_stream ${status.version}`)
    write("engine", engineText(engine))
    const more = [engine.version, engine.dialect, engine.height && `height ${engine.height}`].filter(Boolean)
    write("engine-more", engine.connected ? more.join(" · ") : "point one at the ABCI port")
    const {websocket, sse, poll} = subscribers
    write("subscribers", (websocket + sse + poll).toLocaleString())
    write("doors", `${websocket} WebSocket · ${sse} SSE · ${poll} poll`)
}

function engineText({connected, catching_up: catchingUp}) {
    if (!connected) return "not connected"
    return catchingUp ? "catching up" : "connected"
}

async function poll() {
    try {
        if (!document.hidden && byId("token").hidden) await showStatus()
    } catch (error) {
        write("engine", "–")
        write("engine-more", error.status === undefined ? "the node does not answer" : error.message)
        if (error.status === 401) askForToken()
    }
    setTimeout(poll, POLL_SECONDS * 1000)
}

const plots = {
    rate: new Plot("rate-plot", {
        ...{name: "Events per second", unit: (value) => value.toLocaleString(), color: "--accent", bars: true},
    }),
    latency: new Plot("latency-plot", {name: "Latency", unit: duration, color: "--second", bars: false}),
}

function endSecond() {
    const {count, latencies} = second
    second.count = 0
    second.latencies = []
    plots.rate.add(count)
    write("rate", count.toLocaleString())
    const latency = latencies.length ? latencies.reduce((sum, each) => sum + each) / latencies.length : null
    plots.latency.add(latency)
    if (latency !== null) write("latency", duration(latency))
}

function showPlace() {
    write("height", height.toLocaleString())
    write("position", events.position ?? "–")
    if (newestTime !== null) {
        write("age", ago(newestTime, now()))
        write("block-time", new Date(newestTime).toLocaleString())
    }
}

// --- start ------------------------------------------------------------------------------------

function askForToken() {
    if (!byId("token").hidden) return
    write("token-label", token() === null ? "This node asks for a token" : "This node does not accept that token")
    showConnection({state: "ended"})
    byId("token").hidden = false
    byId("token-field").focus()
}

byId("token").addEventListener("submit", (submitted) => {
    submitted.preventDefault()
    keepToken(byId("token-field").value.trim())
    byId("token").hidden = true
    start()
})
byId("filters").addEventListener("submit", (submitted) => {
    submitted.preventDefault()
    follow()
})
byId("pause").addEventListener("click", () => {
    const paused = byId("pause").getAttribute("aria-pressed") !== "true"
    byId("pause").setAttribute("aria-pressed", String(paused))
    for (const rows of [eventRows, blockRows]) paused ? rows.hold("pause") : rows.release("pause")
})
byId("copy-position").addEventListener("click", () => copy(byId("copy-position"), events.position ?? ""))

async function start() {
    try {
        await showStatus()
    } catch (error) {
        if (error.status === 401) return askForToken()
        showConnection({state: "waiting", reason: error.message, delay: POLL_SECONDS})
        setTimeout(start, POLL_SECONDS * 1000)
        return
    }
    showExamples(STREAMS)
    follow()
    followBlocks()
}

setInterval(endSecond, 1000)
setInterval(showPlace, 200)
blockRows.clear("No block yet.", 3)
startSearch()
if (isDemo) import("./sample.js").then(({offerSample}) => offerSample(watching))
await start()
setTimeout(poll, POLL_SECONDS * 1000)
