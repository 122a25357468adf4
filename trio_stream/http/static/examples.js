/** How to subscribe to this very node, ready to copy. */

import {token} from "./api.js"
import {byId, copyButton, element} from "./dom.js"

/** Show the examples; `streams` is the address below which the streams are. */
export function showExamples(streams) {
    const made = Object.entries(texts(new URL("valid_transactions", streams)))
    byId("examples").replaceChildren(...made.map(([title, text]) => example(title, text)))
}

function texts({href: stream, origin: server, pathname: path}) {
    const here = location.origin
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
            print(event["transaction_id"], flush=True)

trio.run(main)`,
        "JavaScript": `import {openStream, storageCheckpoint}
    from "${here}/client.js"

const server = "${server}"
const checkpoint = storageCheckpoint("position")
for await (const event of openStream(server, {checkpoint${script}})) {
    console.log(event.transaction_id)
}`,
    }
}

function example(title, text) {
    const head = element("div", {}, element("h3", {text: title}), copyButton(`the example: ${title}`, () => text))
    return element("div", {className: "example"}, head, element("pre", {text, tabIndex: 0}))
}
