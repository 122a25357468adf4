/* What an application writes around the JavaScript driver.
 *
 * The driver makes thresholds but signs only single keys; what it leaves to crypto-conditions is
 * done here as its documentation shows.
 */
'use strict'

const { Ed25519Keypair, Transaction } = require('bigchaindb-driver')
const { Ed25519Sha256, ThresholdSha256 } = require('crypto-conditions')
const { sha3_256: sha3 } = require('js-sha3')
const base58 = require('bs58')

const keysOf = (seeds) => Object.fromEntries(Object.entries(seeds)
    .map(([name, seed]) => [name, new Ed25519Keypair(Buffer.from(seed, 'hex'))]))

const single = (publicKey, amount = '1') =>
    Transaction.makeOutput(Transaction.makeEd25519Condition(publicKey), amount)

/* An output that `threshold` of its owners can spend. */
const shared = (threshold, publicKeys, amount = '1') => {
    const parts = publicKeys.map((key) => Transaction.makeEd25519Condition(key, false))
    return Transaction.makeOutput(Transaction.makeThresholdCondition(threshold, parts), amount)
}

/* A signing function for inputs that a threshold of keys unlocks. */
const signingTogether = (threshold, signers) => (text, input) => {
    const link = input.fulfills
    const whole = link ? `${text}${link.transaction_id}${link.output_index}` : text
    const message = Buffer.from(sha3(whole), 'hex')
    const together = new ThresholdSha256()
    together.setThreshold(threshold)
    for (const publicKey of input.owners_before) {
        const part = new Ed25519Sha256()
        const signer = signers.find((pair) => pair.publicKey === publicKey)
        if (signer) {
            part.sign(message, base58.decode(signer.privateKey))
            together.addSubfulfillment(part)
        } else {
            part.setPublicKey(base58.decode(publicKey))
            together.addSubcondition(part.getConditionUri())
        }
    }
    return together.serializeUri()
}

const inputsOf = (source, indices) =>
    indices.map((index) => ({ tx: source, output_index: index }))

module.exports = { inputsOf, keysOf, shared, signingTogether, single }
