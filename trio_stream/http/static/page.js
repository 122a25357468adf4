/**
 * The live page: what is committed here, as it is committed. It uses nothing but the public API. What is
 * different on a node (node.js) and on a follower (follower.js) is a `view`.
 */

import {clockAhead, get, keepToken, token} from "./api.js"
import {ago, byId, copy, duration, isDemo, write} from "./dom.js"
import {showExamples} from "./examples.js"
import {Feed, Rows} from "./feed.js"
import * as follower from "./follower.js"
import * as node from "./node.js"
import {Plot} from "./plot.js"

const POLL_SECONDS = 2
/** How many blocks from before the page was opened are shown, so that it is not empty on a quiet chain. */
const RECENT_BLOCKS = 20
/** A block that arrives later than this was missed while there was no connection. */
const LONGEST_LATENCY = 600_000

const now = () => Date.now() + clockAhead
/** The streams, at this very address. */
const STREAMS = new URL("/api/v1/streams/", location.href.replace(/^http/, "ws"))
let height = 0
/** The first block that is kept here; null if none is known. */
let oldest = 1
let newestTime = null
/** What kind of server this is. */
let view = node

// --- events and blocks ------------------------------------------------------------------------

const second = {count: 0, latencies: []}
const watching = new EventTarget()
const eventRows = new Rows("events", (event) => view.eventRow(event), (unseen) => {
    write("count", unseen ? `held; ${unseen.toLocaleString()} new` : "")
})
const blockRows = new Rows("blocks", (block) => view.blockRow(block))
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
        blockRows.add(block)
        // Blocks that are missing have no time.
        if (block.gap) return
        const at = now()
        if (isNew) noteLatency(block, at)
        arrived = {height: block.height, at}
        height = Math.max(height, block.height)
        newestTime = Date.parse(block.time)
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
    for (const name of view.filters) if (given[name]) options[name] = given[name]
    if (given.after === "") options.fromHeight = recent()
    else if (given.after !== "now") options.after = given.after
    write("message", "")
    eventRows.clear("Nothing yet. Events appear here as soon as they are committed.", 5)
    events.follow(new URL(given.stream, STREAMS), options)
}

function followBlocks() {
    blocks.follow(new URL(view.blocks, STREAMS), {...view.blockOptions, fromHeight: recent()})
}

function recent() {
    return oldest && Math.max(oldest, height - RECENT_BLOCKS + 1)
}

// --- the server -------------------------------------------------------------------------------

async function showStatus() {
    const status = await get("/api/v1/status")
    const {websocket, sse, poll} = status.subscribers
    height = Math.max(height, status.height)
    if (status.oldest !== undefined) oldest = status.oldest
    if (status.block_time) newestTime = Math.max(newestTime ?? 0, Date.parse(status.block_time))
    write("chain", status.chain_id ?? "no block yet")
    byId("chain").title = status.chain_id ?? ""
    write("version", `trio_stream ${status.version}`)
    write("subscribers", (websocket + sse + poll).toLocaleString())
    write("doors", `${websocket} WebSocket · ${sse} SSE · ${poll} poll`)
    const notice = view.showStatus(status)
    write("notice", notice)
    byId("notice").hidden = !notice
}

async function poll() {
    try {
        if (!document.hidden && byId("token").hidden) await showStatus()
    } catch (error) {
        view.showTrouble(error.status === undefined ? "the server does not answer" : error.message)
        if (error.status === 401) askForToken()
    }
    setTimeout(poll, POLL_SECONDS * 1000)
}

const plots = {
    rate: new Plot("rate-plot", {
        ...{name: "Messages per second", unit: (value) => value.toLocaleString(), color: "--accent", bars: true},
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
    write("token-label", token() === null ? "This server asks for a token" : "This server does not accept that token")
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

/** What is for the other kind of server is taken out of the page. */
async function choose() {
    const index = await get("/")
    view = index.api.v1.kind === "follower" ? follower : node
    for (const part of document.querySelectorAll("[data-for]")) {
        if (part.dataset.for !== view.kind) part.remove()
        else if (view === follower) part.hidden = false
    }
}

async function start() {
    try {
        await choose()
        await showStatus()
    } catch (error) {
        if (error.status === 401) return askForToken()
        showConnection({state: "waiting", reason: error.message, delay: POLL_SECONDS})
        setTimeout(start, POLL_SECONDS * 1000)
        return
    }
    view.begin(watching)
    showExamples(new URL(view.stream, STREAMS), view.id)
    follow()
    followBlocks()
}

setInterval(endSecond, 1000)
setInterval(showPlace, 200)
blockRows.clear("No block yet.", 3)
await start()
setTimeout(poll, POLL_SECONDS * 1000)
