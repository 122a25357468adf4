/** Plots of the last two minutes, one value per second, drawn when a second is over. */

import {byId} from "./dom.js"

const SECONDS = 120
const LEFT = 46
const BOTTOM = 18
const TOP = 8

/** The plot in the canvas of this id; `name` says what it shows, `unit` writes a value. */
export class Plot {
    #values = new Array(SECONDS).fill(null)
    #canvas
    #name
    #unit
    #color
    #bars

    constructor(id, {name, unit, color, bars}) {
        this.#canvas = byId(id)
        this.#name = name
        this.#unit = unit
        this.#color = color
        this.#bars = bars
        new ResizeObserver(() => this.draw()).observe(this.#canvas)
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw())
    }

    /** The value of the second that is over; null if there is none. */
    add(value) {
        this.#values.shift()
        this.#values.push(value)
        this.draw()
    }

    draw() {
        const canvas = this.#canvas
        const {clientWidth: width, clientHeight: height} = canvas
        if (width === 0) return
        const scale = window.devicePixelRatio || 1
        canvas.width = Math.round(width * scale)
        canvas.height = Math.round(height * scale)
        const pen = canvas.getContext("2d")
        pen.scale(scale, scale)
        const known = this.#values.filter((value) => value !== null)
        const most = ceiling(Math.max(0, ...known))
        const style = getComputedStyle(canvas)
        const color = (name) => style.getPropertyValue(name).trim()
        const area = {
            x: (index) => LEFT + ((index + 0.5) * (width - LEFT)) / SECONDS,
            y: (value) => height - BOTTOM - (value * (height - BOTTOM - TOP)) / most,
            step: (width - LEFT) / SECONDS,
        }
        this.#axes(pen, area, most, {width, height, line: color("--line"), text: color("--quiet")})
        if (this.#bars) this.#drawBars(pen, area, color(this.#color))
        else this.#drawLine(pen, area, color(this.#color))
        canvas.setAttribute("aria-label", this.#description(known))
    }

    #axes(pen, {x, y}, most, {width, height, line, text}) {
        pen.strokeStyle = line
        pen.fillStyle = text
        pen.lineWidth = 1
        pen.font = "11px system-ui, sans-serif"
        pen.textAlign = "right"
        pen.textBaseline = "middle"
        for (const value of [0, most / 2, most]) {
            const level = Math.round(y(value)) + 0.5
            pen.beginPath()
            pen.moveTo(LEFT, level)
            pen.lineTo(width, level)
            pen.stroke()
            pen.fillText(this.#unit(value), LEFT - 6, level)
        }
        pen.textBaseline = "bottom"
        for (const seconds of [120, 60, 0]) {
            pen.textAlign = seconds === 120 ? "left" : seconds === 0 ? "right" : "center"
            const place = seconds === 120 ? LEFT : seconds === 0 ? width : x(SECONDS - seconds)
            pen.fillText(seconds === 0 ? "now" : `−${seconds} s`, place, height)
        }
    }

    #drawBars(pen, {x, y, step}, color) {
        pen.fillStyle = color
        const wide = Math.max(1, step - 1)
        this.#values.forEach((value, index) => {
            if (value) pen.fillRect(x(index) - wide / 2, y(value), wide, Math.max(1, y(0) - y(value)))
        })
    }

    #drawLine(pen, {x, y}, color) {
        pen.strokeStyle = pen.fillStyle = color
        pen.lineWidth = 1.5
        pen.lineJoin = "round"
        pen.beginPath()
        let isDown = false
        this.#values.forEach((value, index) => {
            if (value === null) return
            if (isDown) pen.lineTo(x(index), y(value))
            else pen.moveTo(x(index), y(value))
            isDown = true
        })
        pen.stroke()
        this.#values.forEach((value, index) => {
            if (value === null) return
            pen.beginPath()
            pen.arc(x(index), y(value), 2, 0, 2 * Math.PI)
            pen.fill()
        })
    }

    #description(known) {
        if (known.length === 0) return `${this.#name} in the last two minutes: none yet`
        const most = this.#unit(Math.max(...known))
        const newest = this.#unit(known.at(-1))
        return `${this.#name} in the last two minutes: ${newest} now, at most ${most}`
    }
}

/** The next round number whose half is a whole one. */
function ceiling(value) {
    const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
    return [1, 2, 4, 6, 10, 20].map((times) => times * power).find((round) => round >= value && round % 2 === 0)
}
