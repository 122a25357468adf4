/** Small things that all parts of the page use. */

export const byId = (id) => document.getElementById(id)

/** A new element. Whatever comes from the chain gets into the page as text, by `text` or as a child. */
export function element(name, {text, ...properties} = {}, ...children) {
    const made = document.createElement(name)
    for (const [key, value] of Object.entries(properties)) {
        if (key in made) made[key] = value
        else made.setAttribute(key, value)
    }
    if (text !== undefined) made.textContent = text
    made.append(...children.filter((child) => child !== null && child !== undefined))
    return made
}

/** A cell of a table. */
export function cell(content, className = "") {
    return element("td", {className}, content)
}

/** The text of an element, written only if it is another one: nothing to lay out, nothing to read out. */
export function write(id, text) {
    const target = byId(id)
    if (target.textContent !== text) target.textContent = text
}

/** Is this the page of the demo, where anybody may post? */
export const isDemo = new URLSearchParams(location.hash.slice(1)).has("demo")

/** A link to what a search for `query` finds. */
export function searchLink(query, text = query) {
    return element("a", {href: searchAddress(query), text, title: query})
}

export function searchAddress(query) {
    return `#${isDemo ? "demo&" : ""}q=${encodeURIComponent(query)}`
}

/** The search that the address of the page asks for; null if it asks for none. */
export function searchAsked() {
    return new URLSearchParams(location.hash.slice(1)).get("q")
}

/** Copy `text`; `button` says that it was done. */
export function copyButton(label, text) {
    const button = element("button", {type: "button", className: "small", text: "Copy"})
    button.setAttribute("aria-label", `Copy ${label}`)
    button.addEventListener("click", () => copy(button, text()))
    return button
}

export async function copy(button, text) {
    const before = "Copy"
    try {
        await navigator.clipboard.writeText(text)
        button.textContent = "Copied"
    } catch {
        // Only pages of https and of localhost may use the clipboard.
        button.textContent = "Not allowed"
    }
    setTimeout(() => (button.textContent = before), 2000)
}

/** The beginning and the end of a long id. */
export function short(id) {
    return id.length > 24 ? `${id.slice(0, 10)}…${id.slice(-8)}` : id
}

export function clockTime(time) {
    return time ? new Date(time).toLocaleTimeString(undefined, {hour12: false}) : ""
}

export function ago(time, now) {
    const seconds = Math.max(0, Math.round((now - time) / 1000))
    if (seconds < 120) return `${seconds} s ago`
    if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`
    if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`
    return `${Math.floor(seconds / 86_400).toLocaleString()} days ago`
}

export function duration(milliseconds) {
    if (milliseconds < 10_000) return `${Math.round(milliseconds).toLocaleString()} ms`
    return `${(milliseconds / 1000).toFixed(1)} s`
}
