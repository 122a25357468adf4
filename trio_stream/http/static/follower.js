/** What the live page shows on a follower: another chain, its nodes, and what is missing. */

import {byId, cell, clockTime, element, write} from "./dom.js"

export const kind = "follower"
/** The stream of the examples, and the member of its messages that names them. */
export const stream = "transactions"
export const id = "tx_hash"
export const blocks = "blocks"
export const blockOptions = {}
/** Fields of the form that are options of the client. */
export const filters = ["query", "match"]

/** Characters of a row's last cell: an event may have thousands of attributes. */
const LONGEST = 400

export function begin() {}

/** A row for a message of any of the three streams. */
export function eventRow(event) {
    if (event.gap) return gapRow(event.gap, true)
    const row = element("tr", {}, cell(blockLink(event.height), "height"), cell(clockTime(event.time), "time"))
    if (event.type !== undefined) {
        row.append(cell(event.type, "kind"), cell(event.tx_hash ? transactionLink(event) : event.phase))
        row.append(about(event.attributes.map(({key, value}) => `${key}=${value}`).join("  ")))
    } else if (event.tx_hash !== undefined) {
        row.append(event.code === 0 ? cell("ok", "kind") : cell(`code ${event.code}`, "kind bad"))
        row.append(cell(transactionLink(event)), about(types(event.events)))
    } else {
        row.append(cell("block", "kind"), cell(event.hash), about(types(event.events)))
    }
    return row
}

export function blockRow(block) {
    if (block.gap) return gapRow(block.gap, false)
    const row = element("tr", {}, cell(blockLink(block.height), "height"))
    row.append(cell(clockTime(block.time), "time"), cell(block.transactions.toLocaleString()))
    return row
}

/** Blocks that no node had. */
function gapRow({first, last, reason, detail}, isWide) {
    const heights = first === last ? String(first) : `${first}–${last}`
    const row = element("tr", {title: detail}, cell(heights, "height"), cell("", "time"))
    if (!isWide) row.append(cell("missing", "bad"))
    else row.append(cell("missing", "kind bad"), cell(reason), about(detail))
    return row
}

function about(text) {
    const shown = text.slice(0, LONGEST)
    return element("td", {className: "about", title: shown, text: shown})
}

/** The types of events, each once with its number. */
function types(events) {
    const counts = new Map()
    for (const {type} of events) counts.set(type, (counts.get(type) ?? 0) + 1)
    return [...counts].map(([type, count]) => (count > 1 ? `${type} × ${count}` : type)).join(", ")
}

function blockLink(height) {
    return element("a", {href: `/api/v1/blocks/${height}`, text: String(height), title: String(height)})
}

function transactionLink({tx_hash: hash}) {
    return element("a", {href: `/api/v1/transactions/${hash}`, text: hash, title: hash})
}

/** Show what is a follower's own; returns what everybody should know. */
export function showStatus({behind, nodes, seeking, missing_blocks: missing, oldest}) {
    const answering = nodes.filter(({state}) => state === "answering").length
    write("nodes-count", `${answering} of ${nodes.length} answering`)
    write("nodes-more", behind.blocks ? `${some(behind.blocks, "block")} behind` : "nothing newer")
    byId("nodes").replaceChildren(...nodes.map(nodeRow))
    const held = [oldest && `kept from block ${oldest.toLocaleString()} on`]
    if (missing) held.push(`${some(missing, "block")} missing`)
    write("held", held.filter(Boolean).join(" · "))
    return seeking.trouble && `Block ${seeking.height}: ${seeking.trouble}`
}

function some(count, thing) {
    return `${count.toLocaleString()} ${thing}${count === 1 ? "" : "s"}`
}

export function showTrouble(text) {
    write("nodes-count", "–")
    write("nodes-more", text)
}

function nodeRow({node, state, height, requests_per_second: rate, trouble}) {
    const row = element("tr", {}, cell(node), cell(state, state === "answering" ? "kind" : "kind bad"))
    row.append(cell(height === null ? "–" : height.toLocaleString(), "height"))
    row.append(cell(rate.toLocaleString(undefined, {maximumFractionDigits: 1}), "time"), about(trouble))
    return row
}
