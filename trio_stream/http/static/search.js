/** Search: what a transaction is, what became of an asset, what a public key holds. */

import {get} from "./api.js"
import {byId, element, searchAddress, searchAsked, searchLink} from "./dom.js"

const PAGE = 20
const ID = /^[0-9a-f]{64}$/
const KEY = /^[1-9A-HJ-NP-Za-km-z]{43,44}$/
const HEIGHT = /^\d{1,18}$/

let searches = 0

/** Search for what is typed, and for what the address of the page asks. */
export function startSearch() {
    byId("search").addEventListener("submit", (submitted) => {
        submitted.preventDefault()
        const address = searchAddress(byId("query").value.trim())
        if (location.hash === address) search()
        else location.hash = address
    })
    addEventListener("hashchange", search)
    search()
}

async function search() {
    const query = searchAsked()
    const number = (searches += 1)
    byId("found").hidden = query === null
    byId("found-close").href = searchAddress("").replace(/&?q=$/, "")
    if (query === null) return
    byId("query").value = query
    byId("found-title").textContent = titleOf(query)
    byId("found-items").setAttribute("aria-busy", "true")
    byId("found-items").replaceChildren(element("p", {className: "quiet", text: "Searching…"}))
    const found = await results(query).catch((error) => [failure(error)])
    if (number !== searches) return
    byId("found-items").replaceChildren(...found)
    byId("found-items").setAttribute("aria-busy", "false")
    byId("found-title").focus()
}

function titleOf(query) {
    if (ID.test(query)) return "Transaction"
    if (KEY.test(query)) return "Public key"
    return HEIGHT.test(query) ? `Block ${query}` : `“${query}”`
}

async function results(query) {
    if (ID.test(query)) return transactionResults(query)
    if (KEY.test(query)) return keyResults(query)
    return HEIGHT.test(query) ? blockResults(query) : textResults(query)
}

// --- a transaction, which may be an asset ------------------------------------------------------

async function transactionResults(id) {
    const status = await get(`/api/v1/statuses?transaction_id=${id}`)
    if (status.status !== "committed") return [result("", facts([["Status", statusText(status)], ["Id", id]]))]
    const transaction = await get(`/api/v1/transactions/${id}`)
    const assetId = transaction.operation === "CREATE" ? id : transaction.asset.id
    const history = result("Transactions of this asset")
    await addTransactions(history, assetId, null)
    return [transactionResult(transaction, status), history]
}

function transactionResult(transaction, status) {
    const {id, operation, inputs, outputs, asset, metadata} = transaction
    const rows = [["Status", statusText(status)], ["Id", id], ["Operation", operation]]
    if (asset.id) rows.push(["Asset", searchLink(asset.id)])
    inputs.forEach(({owners_before: owners, fulfills}, index) => {
        const what = element("span", {}, ...links(owners))
        if (fulfills) what.append(" spends output ", `${fulfills.output_index} of `, searchLink(fulfills.transaction_id))
        rows.push([index === 0 ? "From" : "", what])
    })
    outputs.forEach(({amount, public_keys: keys}, index) => {
        rows.push([index === 0 ? "To" : "", element("span", {text: `${amount} to `}, ...links(keys))])
    })
    if (asset.data) rows.push(["Asset data", JSON.stringify(asset.data)])
    if (metadata) rows.push(["Metadata", JSON.stringify(metadata)])
    return result("", facts(rows), raw(transaction))
}

function statusText({status, height, index, by, error, reason}) {
    if (status === "committed") {
        return element("span", {text: "committed in block "}, searchLink(String(height)), ` as number ${index}`)
    }
    if (status === "refused") return `refused ${by === "block" ? `in block ${height}` : "when it came"}: ${error}, ${reason}`
    return status === "pending" ? "waiting for a block" : "unknown to this node"
}

/** Add the transactions of an asset after this one, and a button for more. */
async function addTransactions(place, assetId, after) {
    const more = after === null ? "" : `&after=${after}`
    const found = await get(`/api/v1/transactions?asset_id=${assetId}&limit=${PAGE}${more}`)
    const items = found.map(({id, operation, outputs}) => {
        const total = outputs.map(({amount}) => BigInt(amount)).reduce((sum, each) => sum + each, 0n)
        const keys = [...new Set(outputs.flatMap(({public_keys: keys}) => keys))]
        return item(`${operation} `, searchLink(id), ` ${total} to `, ...links(keys.slice(0, 5)))
    })
    addPage(place, items, () => addTransactions(place, assetId, found.at(-1).id))
}

// --- a public key ------------------------------------------------------------------------------

async function keyResults(key) {
    const holds = result("Holds")
    const spent = result("Has passed on")
    await Promise.all([addOutputs(holds, key, false, null), addOutputs(spent, key, true, null)])
    return [result("", facts([["Key", key]])), holds, spent]
}

async function addOutputs(place, key, spent, after) {
    const more = after === null ? "" : `&after=${after.transaction_id}:${after.output_index}`
    const found = await get(`/api/v1/outputs?public_key=${key}&spent=${spent}&limit=${PAGE}${more}`)
    const ids = [...new Set(found.map(({transaction_id: id}) => id))]
    const got = await Promise.all(ids.map((id) => get(`/api/v1/transactions/${id}`)))
    const transactions = new Map(got.map((transaction) => [transaction.id, transaction]))
    const items = found.map(({transaction_id: id, output_index: index}) => {
        const {operation, asset, outputs} = transactions.get(id)
        const assetId = operation === "CREATE" ? id : asset.id
        return item(`${outputs[index].amount} of `, searchLink(assetId), ` from output ${index} of `, searchLink(id))
    })
    addPage(place, items, () => addOutputs(place, key, spent, found.at(-1)))
}

// --- a block, words ----------------------------------------------------------------------------

async function blockResults(height) {
    // Asked first, since browsers report a 404 as an error of the page.
    const {height: tip} = await get("/api/v1/status")
    if (BigInt(height) > tip) return [result("", element("p", {text: "There is no such block yet."}))]
    const block = await get(`/api/v1/blocks/${height}`)
    const items = block.transactions.slice(0, 1000).map(({id, operation}) => item(`${operation} `, searchLink(id)))
    const made = result(`${block.transactions.length.toLocaleString()} transactions`)
    addPage(made, items, null)
    return [made]
}

async function textResults(words) {
    const asked = `search=${encodeURIComponent(words)}&limit=${PAGE}`
    const [assets, metadata] = await Promise.all([get(`/api/v1/assets?${asked}`), get(`/api/v1/metadata?${asked}`)])
    const [first, second] = [result("Assets"), result("Metadata")]
    addPage(first, assets.map(({id, data}) => item(searchLink(id), ` ${JSON.stringify(data)}`)), null)
    addPage(second, metadata.map(({id, metadata: data}) => item(searchLink(id), ` ${JSON.stringify(data)}`)), null)
    return [first, second]
}

// --- how it is shown ---------------------------------------------------------------------------

function result(title, ...children) {
    return element("article", {className: "result"}, title ? element("h3", {text: title}) : null, ...children)
}

function facts(rows) {
    const list = element("dl", {className: "facts"})
    for (const [name, value] of rows) list.append(element("dt", {text: name}), element("dd", {}, value))
    return list
}

function item(...children) {
    return element("li", {className: "mono"}, ...children)
}

function links(ids) {
    return ids.flatMap((id, index) => (index === 0 ? [searchLink(id)] : [", ", searchLink(id)]))
}

/** Add items to the list in `place`; a full page may have another one behind it. */
function addPage(place, items, next) {
    let list = place.querySelector("ul")
    if (list === null) {
        if (items.length === 0) {
            place.append(element("p", {className: "quiet", text: "nothing"}))
            return
        }
        list = element("ul")
        place.append(list)
    }
    list.append(...items)
    if (next === null || items.length < PAGE) return
    const button = element("button", {type: "button", text: "More"})
    button.addEventListener("click", async () => {
        button.disabled = true
        await next().catch((error) => place.append(failure(error)))
        button.remove()
    })
    place.append(button)
}

function raw(value) {
    const text = element("pre", {text: JSON.stringify(value, null, 2), tabIndex: 0})
    return element("details", {}, element("summary", {text: "As JSON"}), text)
}

function failure(error) {
    return element("p", {className: "bad", text: error.message})
}
