/**
 * A sample transaction, made and signed here: a CREATE by a key that is thrown away. For the demo's page.
 *
 * It is made as any driver makes one. Browsers have everything for it but SHA3-256.
 */

import {post} from "./api.js"
import {byId, duration, searchLink, short} from "./dom.js"
import {sha3} from "./sha3.js"

const THINGS = ["a bicycle", "a violin", "a telescope", "a typewriter", "a sailing boat", "a compass"]
const LONGEST_WAIT = 30_000

/** Show the button; `events` is told of each event that the page receives. */
export function offerSample(events) {
    const button = byId("sample")
    button.hidden = false
    button.addEventListener("click", async () => {
        button.disabled = true
        await postSample(events).then(say, (error) => say(error.message))
        button.disabled = false
    })
}

function say(...what) {
    byId("sample-outcome").hidden = false
    byId("sample-outcome").replaceChildren(...what.flat())
}

async function postSample(events) {
    if (globalThis.crypto?.subtle === undefined) {
        throw new Error("This browser signs on pages of https or localhost only.")
    }
    const transaction = await makeSample(THINGS[Math.floor(Math.random() * THINGS.length)])
    const seen = arrival(events, transaction.id)
    const began = performance.now()
    await post("/api/v1/transactions?mode=async", JSON.stringify(transaction))
    const event = await seen
    const link = searchLink(transaction.id, short(transaction.id))
    if (event === null) return ["Posted ", link, "; no event of it has arrived: see its status."]
    const took = duration(event.at - began)
    return [`${transaction.asset.data.thing}, `, link, `: committed in block ${event.height} and shown here ${took} after it was posted.`]
}

/** The event of a transaction and when it arrived; null if it does not come. */
function arrival(events, id) {
    return new Promise((resolve) => {
        const settle = (value) => {
            events.removeEventListener("event", look)
            clearTimeout(timer)
            resolve(value)
        }
        const look = ({detail}) => {
            if (detail.transaction_id === id) settle({height: detail.height, at: performance.now()})
        }
        const timer = setTimeout(settle, LONGEST_WAIT, null)
        events.addEventListener("event", look)
    })
}

/** A signed CREATE of `thing`. */
export async function makeSample(thing) {
    const {privateKey, publicKey} = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])
    const key = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey))
    const name = base58(key)
    // SEQUENCE { [0] public key }
    const condition = await crypto.subtle.digest("SHA-256", Uint8Array.of(0x30, 0x22, 0x80, 0x20, ...key))
    const transaction = {
        inputs: [{owners_before: [name], fulfills: null, fulfillment: null}],
        outputs: [{
            public_keys: [name],
            condition: {
                details: {type: "ed25519-sha-256", public_key: name},
                uri: `ni:///sha-256;${base64url(condition)}?fpt=ed25519-sha-256&cost=131072`,
            },
            amount: "1",
        }],
        operation: "CREATE",
        metadata: {from: "the live page"},
        asset: {data: {thing}},
        version: "2.0",
        id: null,
    }
    const message = sha3(canonical(transaction))
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, message))
    // [4] { [0] public key, [1] signature }
    const fulfillment = Uint8Array.of(0xa4, 0x64, 0x80, 0x20, ...key, 0x81, 0x40, ...signature)
    transaction.inputs[0].fulfillment = base64url(fulfillment)
    transaction.id = hex(sha3(canonical(transaction)))
    return transaction
}

/** JSON with sorted members and no blanks, as bytes. */
function canonical(value) {
    return new TextEncoder().encode(JSON.stringify(sorted(value)))
}

function sorted(value) {
    if (value === null || typeof value !== "object") return value
    if (Array.isArray(value)) return value.map(sorted)
    return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]))
}

function hex(bytes) {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
}

function base64url(bytes) {
    const text = btoa(String.fromCharCode(...new Uint8Array(bytes)))
    return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
}

function base58(bytes) {
    const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    let number = BigInt(`0x${hex(bytes)}`)
    let text = ""
    for (; number > 0n; number /= 58n) text = digits[number % 58n] + text
    return "1".repeat(bytes.findIndex((byte) => byte !== 0)) + text
}
