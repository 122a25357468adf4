// Follows a stream with the JavaScript client, as a test asks for, and prints what comes as JSON lines.
//
//     node --experimental-websocket follow.mjs CLIENT REQUEST
//
// REQUEST is JSON: urls, options, and what a caller does: take (events, then the loop is left),
// fail (throw at this event), hold (the first event, until the client has read far ahead), saved (a
// checkpoint's position), brokenSave, tickets. Seconds of the client are milliseconds here.

import {readFile} from "node:fs/promises"

const [path, text] = process.argv.slice(2)
const source = await readFile(new URL(path), "utf8")
const scaled = "const setTimeout = (run, seconds) => globalThis.setTimeout(run, seconds / 1000);"
const {openStream, ...client} = await import("data:text/javascript," + encodeURIComponent(scaled + source))
const {urls, options = {}, take = Infinity, fail, hold, saved, brokenSave, tickets} = JSON.parse(text)

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n")

let isFull
const full = new Promise((resolve) => (isFull = resolve))

if (saved !== undefined) {
    options.checkpoint = {
        load: async () => saved,
        save: async (position) => {
            if (brokenSave) throw new Error("the store is full")
            print({saved: position})
        },
    }
}
if (tickets !== undefined) {
    options.ticket = async () => {
        if (tickets.length === 0) throw new Error("there are no more tickets")
        return tickets.shift()
    }
}
try {
    const events = openStream(urls, {
        jitter: () => 1,
        connectTimeout: 5_000,
        silenceTimeout: 20_000,
        onstate: ({state, delay, reason}) => {
            print({state, delay, reason})
            if (state === "full") isFull()
        },
        ...options,
    })
    let count = 0
    for await (const event of events) {
        count += 1
        print({event})
        if (count === fail) throw new Error("the caller failed")
        if (count === 1 && hold) await full
        if (count >= take) break
    }
    print({end: events.position})
} catch (error) {
    const {name, message, status, details} = error
    const kind = error instanceof client.StreamError ? "stream" : error.constructor.name
    print({error: {kind, name, message, status, details}})
}
process.stdout.write("", () => process.exit())
