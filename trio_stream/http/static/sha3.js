/** SHA3-256 (FIPS 202), which browsers lack. Slow, but what is hashed here is short. */

const LANE = (1n << 64n) - 1n
const RATE = 136

/** The digest of some bytes. */
export function sha3(bytes) {
    const padded = new Uint8Array((Math.floor(bytes.length / RATE) + 1) * RATE)
    padded.set(bytes)
    padded[bytes.length] ^= 0x06
    padded[padded.length - 1] ^= 0x80
    const lanes = new DataView(padded.buffer)
    const state = new Array(25).fill(0n)
    for (let start = 0; start < padded.length; start += RATE) {
        for (let lane = 0; lane < RATE / 8; lane += 1) state[lane] ^= lanes.getBigUint64(start + 8 * lane, true)
        permute(state)
    }
    const digest = new DataView(new ArrayBuffer(32))
    for (let lane = 0; lane < 4; lane += 1) digest.setBigUint64(8 * lane, state[lane], true)
    return new Uint8Array(digest.buffer)
}

function rotate(lane, bits) {
    return ((lane << bits) | (lane >> (64n - bits))) & LANE
}

/** Keccak-f[1600], lane (x, y) at x + 5y. */
function permute(state) {
    let register = 1
    for (let round = 0; round < 24; round += 1) {
        const columns = [0, 1, 2, 3, 4].map((x) => state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20])
        for (let x = 0; x < 5; x += 1) {
            const mixed = columns[(x + 4) % 5] ^ rotate(columns[(x + 1) % 5], 1n)
            for (let y = 0; y < 25; y += 5) state[x + y] ^= mixed
        }
        let [x, y, carried] = [1, 0, state[1]]
        for (let step = 0; step < 24; step += 1) {
            ;[x, y] = [y, (2 * x + 3 * y) % 5]
            const place = x + 5 * y
            const before = state[place]
            state[place] = rotate(carried, BigInt((((step + 1) * (step + 2)) / 2) % 64))
            carried = before
        }
        for (let row = 0; row < 25; row += 5) {
            const five = state.slice(row, row + 5)
            for (let x = 0; x < 5; x += 1) state[row + x] = five[x] ^ (~five[(x + 1) % 5] & LANE & five[(x + 2) % 5])
        }
        // Round constants come from a shift register.
        for (let bit = 0; bit < 7; bit += 1) {
            if (register & 1) state[0] ^= 1n << BigInt((1 << bit) - 1)
            register = (register << 1) ^ ((register >> 7) * 0x171)
        }
    }
}
