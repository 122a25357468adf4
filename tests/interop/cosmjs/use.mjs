// An application on cosmjs: it subscribes at the second of two addresses, broadcasts there, and asks
// both. Run with --input-type=module, so that cosmjs is found from the folder.

import comet from "@cosmjs/tendermint-rpc"

const [count, ...urls] = process.argv.slice(1)
const TEXT = new TextEncoder()
const BASE64 = (bytes) => Buffer.from(bytes).toString("base64")

const plain = (name, value) => {
  if (typeof value === "bigint") return value.toString()
  if (value instanceof Uint8Array) return BASE64(value)
  return value
}

function followed(client) {
  const told = {tx: [], own: [], block: [], header: []}
  const streams = {
    tx: client.subscribeTx(),
    own: client.subscribeTx("app.key = 'k0'"),
    block: client.subscribeNewBlock(),
    header: client.subscribeNewBlockHeader(),
  }
  const failed = []
  for (const [name, stream] of Object.entries(streams)) {
    stream.subscribe({
      next: (event) => told[name].push(event),
      error: (error) => failed.push(`${name}: ${error}`),
    })
  }
  return {told, failed}
}

async function until(is) {
  while (!is()) await new Promise((done) => setTimeout(done, 20))
}

const clients = await Promise.all(urls.map((url) => comet.connectComet(url)))
const ours = clients.at(-1)
const {told, failed} = followed(ours)
// What is asked next on the same connection is answered after the subscriptions.
await ours.health()
const codes = []
for (let number = 0; number < count; number++) {
  const answer = await ours.broadcastTxSync({tx: TEXT.encode(`k${number}=v`)})
  codes.push(answer.code)
}
const committed = await ours.broadcastTxCommit({tx: TEXT.encode("last=1")})
codes.push(committed.txResult?.code ?? committed.deliverTx?.code ?? 0)
await until(() => failed.length || told.tx.length > count && told.own.length)
const last = committed.height
await until(() => failed.length || told.header.some((each) => each.height >= last))
const asked = []
for (const client of clients) {
  const status = await client.status()
  asked.push({
    network: status.nodeInfo.network,
    genesis: (await client.genesis()).chainId,
    block: await client.block(last),
    results: await client.blockResults(last),
    commit: await client.commit(last),
    validators: await client.validatorsAll(last),
    query: await client.abciQuery({path: "/store", data: TEXT.encode("k0")}),
    tx: await client.tx({hash: committed.hash}).catch((error) => `${error}`),
  })
}
// Searching is behind blocks.
const found = []
for (const client of clients) {
  let search
  do search = await client.txSearchAll({query: "app.key = 'k0'"}); while (!search.totalCount)
  found.push(search)
}
const http = await comet.connectComet(urls.at(-1).replace("ws", "http"))
const overHttp = await http.block(last)
const wrong = await ours.block(last + 1000).catch((error) => `${error}`)
const report = JSON.stringify({last, codes, told, failed, asked, found, overHttp, wrong}, plain)
for (const client of [...clients, http]) client.disconnect()
// cosmjs keeps the process alive after that.
process.stdout.write(report, () => process.exit(0))
