// Follows a stream with one EventSource client and reports each thing that an application sees of it.
// Run with --input-type=module, so that clients are found from the working directory.

const [name, url] = process.argv.slice(1)
const TYPES = ["message", "notice", "refused", "end"]

const report = (what) => console.log(JSON.stringify(what))
const seen = (type, data, id) => report({event: [type || "message", data, id]})

const EXPORTS = {
  "event-source-polyfill": (module) => module.default.EventSourcePolyfill,
  "eventsource-2": (module) => module.default,
}

async function follow() {
  const module = await import(name)
  const Source = (EXPORTS[name] ?? ((each) => each.EventSource))(module)
  const source = new Source(url)
  for (const type of TYPES) {
    source.addEventListener(type, ({data, lastEventId}) => seen(type, data, lastEventId))
  }
  // Some close only after they have said so.
  source.onerror = () => queueMicrotask(() => {
    report(source.readyState === 2 ? "stopped" : "again")
  })
}

// It is written for browsers, and leaves to the application whether an answer's end is the stream's.
async function fetchEvents() {
  globalThis.window = globalThis
  globalThis.document = {hidden: false, addEventListener() {}, removeEventListener() {}}
  const {fetchEventSource} = await import(name)
  let last
  await fetchEventSource(url, {
    openWhenHidden: true,
    onmessage({event, data, id}) {
      if (data) seen(last = event, data, id)
    },
    onclose() {
      if (last !== "refused" && last !== "end") throw new Error("cut off")
    },
    onerror: () => report("again"),
  })
  report("stopped")
}

await (name === "@microsoft/fetch-event-source" ? fetchEvents() : follow())
