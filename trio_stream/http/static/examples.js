/** How to subscribe to this very server, ready to copy. */

import {token} from "./api.js"
import {byId, copyButton, element} from "./dom.js"

/** Show the examples for the stream of this address, whose messages are named by their member `id`. */
export function showExamples(stream, id) {
    const made = Object.entries(texts(stream, id))
    byId("examples").replaceChildren(...made.map(([title, text]) => example(title, text)))
}

function texts({href: stream, origin, pathname: path}, id) {
    const here = location.origin
    // Clients take a server for one of its first kind of stream.
    const server = path.endsWith("/valid_transactions") ? origin : stream
    const asked = token() === null ? "" : " -H \"Authorization: Bearer $TOKEN\""
    const [python, script] = token() === null ? ["", ""] : [", token=TOKEN", ", token: TOKEN"]
    return {
        "Shell": `curl -N${asked} -H 'Accept: text/event-stream' \\
    '${here}${path}?after=earliest'`,
        "Any WebSocket client": `websocat${asked} '${stream}?after=earliest'`,
        "Python": `# pip install trio-stream[client]
import trio
from trio_stream.client import open_stream

async def main():
    server = "${server}"
    async with open_stream(server, checkpoint="position.txt"${python}) as events:
        async for event in events:
            print(event["${id}"], flush=True)

trio.run(main)`,
        "JavaScript": `import {openStream, storageCheckpoint}
    from "${here}/client.js"

const server = "${server}"
const checkpoint = storageCheckpoint("position")
for await (const event of openStream(server, {checkpoint${script}})) {
    console.log(event.${id})
}`,
    }
}

function example(title, text) {
    const head = element("div", {}, element("h3", {text: title}), copyButton(`the example: ${title}`, () => text))
    return element("div", {className: "example"}, head, element("pre", {text, tabIndex: 0}))
}
