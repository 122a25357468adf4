/** What the live page shows on a node of BigchainDB's. */

import {cell, clockTime, element, isDemo, searchLink, write} from "./dom.js"
import {startSearch} from "./search.js"

export const kind = "node"
/** The stream of the examples, and the member of its messages that names them. */
export const stream = "valid_transactions"
export const id = "transaction_id"
export const blocks = "valid_blocks"
export const blockOptions = {emptyBlocks: true}
/** Fields of the form that are options of the client. */
export const filters = ["assetId", "publicKey", "operation"]

let hasBegun = false

/** Called when the page begins to follow; it may do so again with another token. */
export function begin(watching) {
    if (hasBegun) return
    hasBegun = true
    startSearch()
    if (isDemo) import("./sample.js").then(({offerSample}) => offerSample(watching))
}

export function eventRow(event) {
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

export function blockRow(block) {
    const row = element("tr", {}, cell(searchLink(String(block.height)), "height"))
    row.append(cell(clockTime(block.time), "time"))
    row.append(cell(block.transaction_ids.length.toLocaleString()))
    return row
}

/** Show what is a node's own; returns what everybody should know. */
export function showStatus({engine, ended}) {
    write("engine", engineText(engine))
    const more = [engine.version, engine.dialect, engine.height && `height ${engine.height}`].filter(Boolean)
    write("engine-more", engine.connected ? more.join(" · ") : "point one at the ABCI port")
    return ended?.message ?? ""
}

export function showTrouble(text) {
    write("engine", "–")
    write("engine-more", text)
}

function engineText({connected, catching_up: catchingUp}) {
    if (!connected) return "not connected"
    return catchingUp ? "catching up" : "connected"
}
