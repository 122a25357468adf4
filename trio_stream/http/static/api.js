/** What the page asks this node's API; with the token, if its reader has given one. */

const TOKEN = "trio_stream token"

/** An answer of the API that is an error. */
export class Refusal extends Error {
    constructor(status, message) {
        super(message)
        this.status = status
    }
}

/** The token of this tab; null if there is none. */
export function token() {
    return sessionStorage.getItem(TOKEN)
}

export function keepToken(value) {
    sessionStorage.setItem(TOKEN, value)
}

/**
 * How far the node's clock is ahead of this one, in milliseconds: 0 unless they clearly differ, since the
 * header `Date` has whole seconds.
 */
export let clockAhead = 0

/** The JSON at `path`. Throws a Refusal, or a TypeError if the node cannot be reached. */
export async function get(path) {
    return ask(path, {})
}

/** Post a JSON text. */
export async function post(path, text) {
    return ask(path, {method: "POST", body: text, headers: {"Content-Type": "application/json"}})
}

async function ask(path, {headers = {}, ...more}) {
    const asked = {Accept: "application/json", ...headers}
    if (token() !== null) asked.Authorization = `Bearer ${token()}`
    const response = await fetch(path, {...more, headers: asked, cache: "no-store"})
    setClock(response.headers.get("Date"))
    const body = await response.json().catch(() => null)
    if (!response.ok) {
        const said = typeof body?.message === "string" ? body.message : JSON.stringify(body?.message)
        throw new Refusal(response.status, said ?? `${response.status} ${response.statusText}`)
    }
    return body
}

function setClock(date) {
    const ahead = Date.parse(date ?? "") + 500 - Date.now()
    clockAhead = Math.abs(ahead) > 2000 ? ahead : 0
}
