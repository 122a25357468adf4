/** The newest messages of a stream as rows of a table, however many come. */

import {openStream, StreamError} from "/client.js"
import {token} from "./api.js"
import {byId} from "./dom.js"

const ROWS = 100
/** Milliseconds between two changes of a table: more often nobody could read it. */
const PAUSE = 100

/** A table body that shows the newest messages on top. */
export class Rows {
    #body
    #make
    #fresh = []
    #unseen = 0
    #held = new Set()
    #drawn = 0
    #onchange

    /** `make` makes a row of a message; `onchange` is told how many messages wait to be shown. */
    constructor(id, make, onchange = () => {}) {
        this.#body = byId(id)
        this.#make = make
        this.#onchange = onchange
        // What somebody points at, or has reached by keyboard, stays where it is.
        for (const [begin, end] of [["pointerenter", "pointerleave"], ["focusin", "focusout"]]) {
            this.#body.addEventListener(begin, (event) => event.pointerType !== "touch" && this.hold(begin))
            this.#body.addEventListener(end, () => this.release(begin))
        }
        const draw = (now) => {
            requestAnimationFrame(draw)
            if (now - this.#drawn >= PAUSE && this.#fresh.length > 0 && this.#held.size === 0) {
                this.#drawn = now
                this.#draw()
            }
        }
        requestAnimationFrame(draw)
    }

    /** Change nothing until it is released for the same reason. */
    hold(reason) {
        this.#held.add(reason)
    }

    release(reason) {
        this.#held.delete(reason)
        if (this.#held.size === 0) this.#onchange(0)
    }

    add(message) {
        this.#fresh.push(message)
        // What would be pushed out before anybody sees it is never shown.
        if (this.#fresh.length > 2 * ROWS) this.#fresh.splice(0, ROWS)
        if (this.#held.size > 0) this.#onchange((this.#unseen += 1))
    }

    /** Begin with an empty table, which says `text`. */
    clear(text, columns) {
        this.#fresh = []
        const cell = document.createElement("td")
        cell.colSpan = columns
        cell.className = "empty"
        cell.textContent = text
        const row = document.createElement("tr")
        row.append(cell)
        this.#body.replaceChildren(row)
    }

    #draw() {
        const rows = document.createDocumentFragment()
        for (const message of this.#fresh.slice(-ROWS).reverse()) rows.append(this.#make(message))
        this.#fresh = []
        this.#unseen = 0
        if (this.#body.querySelector(".empty")) this.#body.replaceChildren()
        this.#body.prepend(rows)
        while (this.#body.rows.length > ROWS) this.#body.lastElementChild.remove()
    }
}

/**
 * One stream at a time: following another one leaves the one before.
 *
 * `onmessage` gets each message, and whether it is new: committed after the page began to follow. `onstate`
 * gets what the client does, and a last state "ended" with the error that ended it.
 */
export class Feed {
    #stream = null
    #onmessage
    #onstate

    constructor({onmessage, onstate}) {
        this.#onmessage = onmessage
        this.#onstate = onstate
    }

    /** How far the stream has been read; null before it has begun. */
    get position() {
        return this.#stream?.position ?? null
    }

    async follow(url, options) {
        this.#stream?.close()
        let tip = Infinity
        const onstate = (now) => {
            if (this.#stream !== stream) return
            // Those from before the page followed say nothing about rates or delays.
            if (now.state === "subscribed" && tip === Infinity) tip = now.tip
            this.#onstate(now)
        }
        const stream = openStream(url, {...options, token: token(), onstate})
        this.#stream = stream
        try {
            for await (const message of stream) {
                if (this.#stream !== stream) return
                this.#onmessage(message, message.height > tip)
            }
        } catch (error) {
            if (!(error instanceof StreamError)) console.error(error)
            if (this.#stream === stream) this.#onstate({state: "ended", reason: error.message})
        }
    }
}
