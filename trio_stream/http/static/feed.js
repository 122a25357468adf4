/** The newest messages of a stream as rows of a table, however many come. */

import {openStream, StreamError} from "/client.js"
import {token} from "./api.js"
import {byId} from "./dom.js"

/** Messages that a table holds. */
const KEPT = 200
/** Rows that it shows while it runs: more than fit into it. The others are added when it is held. */
const SHOWN = 30
/** Milliseconds between two changes of a table: more often nobody could read it. */
const PAUSE = 100

/**
 * A table body with the newest messages on top. It is held, that is, it does not change, while somebody
 * points at it, has scrolled down, or has reached it by keyboard.
 */
export class Rows {
    #body
    #make
    #onchange
    /** What is in the table, the newest first, and what comes next, the oldest first. */
    #kept = []
    #fresh = []
    #unseen = 0
    #held = new Set()
    #drawn = 0

    /** `make` makes a row of a message; `onchange` is told how many messages wait to be shown. */
    constructor(id, make, onchange = () => {}) {
        this.#body = byId(id)
        this.#make = make
        this.#onchange = onchange
        const window = this.#body.closest(".scroll")
        window.addEventListener("pointerenter", ({pointerType}) => pointerType === "mouse" && this.hold("pointer"))
        window.addEventListener("pointerleave", () => this.release("pointer"))
        window.addEventListener("focusin", () => window.contains(document.activeElement) && this.hold("focus"))
        window.addEventListener("focusout", () => this.release("focus"))
        window.addEventListener("scroll", () => (window.scrollTop > 0 ? this.hold("scroll") : this.release("scroll")))
        const draw = (now) => {
            requestAnimationFrame(draw)
            if (now - this.#drawn < PAUSE || this.#fresh.length === 0 || this.#held.size > 0) return
            this.#drawn = now
            this.#draw()
        }
        requestAnimationFrame(draw)
    }

    /** Change nothing until it is released for the same reason. */
    hold(reason) {
        this.#held.add(reason)
        const {length} = this.#body.rows
        if (this.#kept.length > length) this.#body.append(...this.#kept.slice(length).map(this.#make))
    }

    release(reason) {
        if (!this.#held.delete(reason) || this.#held.size > 0) return
        this.#unseen = 0
        this.#onchange(0)
    }

    add(message) {
        this.#fresh.push(message)
        // What would be pushed out before anybody sees it is never shown.
        if (this.#fresh.length > 2 * KEPT) this.#fresh.splice(0, KEPT)
        if (this.#held.size > 0) this.#onchange((this.#unseen += 1))
    }

    /** Begin with an empty table, which says `text`. */
    clear(text, columns) {
        this.#fresh = []
        this.#kept = []
        const cell = document.createElement("td")
        cell.colSpan = columns
        cell.className = "empty"
        cell.textContent = text
        const row = document.createElement("tr")
        row.append(cell)
        this.#body.replaceChildren(row)
    }

    #draw() {
        const fresh = this.#fresh.reverse()
        this.#fresh = []
        if (this.#kept.length === 0) this.#body.replaceChildren()
        this.#kept.unshift(...fresh)
        this.#kept.length = Math.min(this.#kept.length, KEPT)
        this.#body.prepend(...fresh.slice(0, SHOWN).map(this.#make))
        while (this.#body.rows.length > SHOWN) this.#body.lastElementChild.remove()
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
