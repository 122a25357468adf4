/* Takes the steps of a program and prints one JSON line for each.
 *
 * A line has the step's name, and the value that came of it or the error. A step that fails does
 * not end the program; one that needs its result fails too.
 */
'use strict'

async function options() {
    const chunks = []
    for await (const chunk of process.stdin) chunks.push(chunk)
    return JSON.parse(Buffer.concat(chunks).toString())
}

async function take(steps) {
    for (const [step, act] of steps) {
        let line
        try {
            line = { step, value: await act() }
        } catch (error) {
            const status = error.status ? `${error.status} ${error.requestURI}\n` : ''
            line = { step, error: `${status}${error.stack || error}` }
        }
        process.stdout.write(`${JSON.stringify(line)}\n`)
    }
}

module.exports = { options, take }
