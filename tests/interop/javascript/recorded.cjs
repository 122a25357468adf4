/* Makes recorded transactions again, with the JavaScript driver, from keys and contents alone. */
'use strict'

const { Transaction } = require('bigchaindb-driver')
const { keysOf, shared, signingTogether, single } = require('./crafting.cjs')
const { options, take } = require('./steps.cjs')

class Recorded {
    constructor(options) {
        this.vectors = options.vectors
        this.keys = keysOf(options.seeds)
    }

    steps() {
        const again = Object.entries(this.vectors)
            .map(([name, vector]) => [name, () => this.again(vector)])
        return [['keys', () => this.keyPairs()], ...again]
    }

    keyPairs() {
        return Object.fromEntries(Object.entries(this.keys)
            .map(([name, pair]) => [name, [pair.privateKey, pair.publicKey]]))
    }

    again(vector) {
        const known = vector.transaction
        const owners = known.inputs.map((input) => input.owners_before)
        const outputs = known.outputs.map((output) => {
            const { threshold } = output.condition.details
            return threshold
                ? shared(threshold, output.public_keys, output.amount)
                : single(output.public_keys[0], output.amount)
        })
        let unsigned
        if (known.operation === 'CREATE') {
            unsigned = Transaction.makeCreateTransaction(
                known.asset.data, known.metadata, outputs, ...owners[0])
            // The driver makes an input an issuer; together they are one.
            if (owners[0].length > 1) {
                unsigned.inputs = [Transaction.makeInputTemplate(owners[0])]
            }
        } else {
            const spent = known.inputs.map(({ fulfills }) => ({
                tx: vector.spends.find((tx) => tx.id === fulfills.transaction_id),
                output_index: fulfills.output_index
            }))
            unsigned = Transaction.makeTransferTransaction(spent, outputs, known.metadata)
        }
        const pairs = Object.values(this.keys)
        if (owners[0].length > 1) {
            const { alice, bob, carol } = this.keys
            const signers = owners[0].length === 3 ? [alice, carol] : [alice, bob]
            return Transaction.delegateSignTransaction(unsigned, signingTogether(2, signers))
        }
        const secrets = owners.map(([owner]) =>
            pairs.find((pair) => pair.publicKey === owner).privateKey)
        return Transaction.signTransaction(unsigned, ...secrets)
    }
}

options().then((given) => take(new Recorded(given).steps()))
