/* An application of the JavaScript driver: sends, reads back, searches, and follows the stream.
 *
 * The same steps as the Python program. What its values have to be is not known here, the tests
 * judge them.
 */
'use strict'

const { Connection, Transaction } = require('bigchaindb-driver')
const WebSocket = require('ws')
const { inputsOf, keysOf, shared, signingTogether, single } = require('./crafting.cjs')
const { options, take } = require('./steps.cjs')

const PATIENCE = 120000 // milliseconds that the next event may take

class Application {
    constructor(options) {
        this.connection = new Connection(`${options.api}/api/v1/`, {}, PATIENCE)
        this.keys = keysOf(options.seeds)
        this.made = {}
        this.events = []
        this.arrived = () => {}
        this.socket = new WebSocket(options.stream)
        this.socket.on('message', (data) => {
            this.events.push(JSON.parse(data.toString()))
            this.arrived()
        })
        this.opened = new Promise((resolve, reject) => {
            this.socket.on('open', resolve)
            this.socket.on('error', reject)
        })
    }

    steps() {
        const { connection } = this
        return [
            ['connect', () => this.connect()],
            ['send_async', () => this.create('Async')],
            ['send_sync', () => this.create('Sync')],
            ['send_commit', () => this.create('Commit')],
            ['transfer', () => this.transfer()],
            ['divisible', () => this.divisible()],
            ['both_owners', () => this.bothOwners()],
            ['two_of_three', () => this.twoOfThree()],
            ['double_spend', () => this.doubleSpend()],
            ['sent_again', () => this.sentAgain()],
            ['tampered', () => this.tampered()],
            ['missing', () => this.refusal(connection.getTransaction('0'.repeat(64)))],
            ['outputs', () => this.outputs()],
            ['transactions', () => this.transactions()],
            ['search_assets', () => this.search('searchAssets', 'quetzal')],
            ['search_metadata', () => this.search('searchMetadata', 'basilisk')],
            ['height', () => this.height()],
            ['block', () => this.block()],
            ['stream', () => this.events]
        ]
    }

    /* The driver has no call for the index documents; the stream's handshake is its first. */
    async connect() {
        await this.opened
        return { protocol: this.socket.protocol }
    }

    create(mode) {
        const { alice } = this.keys
        const sent = mode.toLowerCase()
        const unsigned = Transaction.makeCreateTransaction(
            { bird: 'quetzal', sent }, { beast: 'basilisk', sent },
            [single(alice.publicKey)], alice.publicKey)
        return this.send(`send_${sent}`, unsigned, [alice], mode)
    }

    transfer() {
        const { alice, bob } = this.keys
        const spent = inputsOf(this.made.send_commit, [0])
        const unsigned =
            Transaction.makeTransferTransaction(spent, [single(bob.publicKey)], null)
        return this.send('transfer', unsigned, [alice])
    }

    async divisible() {
        const { alice, bob, carol } = this.keys
        const give = (source, indices, ...outputs) =>
            Transaction.makeTransferTransaction(inputsOf(source, indices), outputs, null)
        const created = await this.send('divisible', Transaction.makeCreateTransaction(
            { token: 'coffee' }, null, [single(alice.publicKey, '10')], alice.publicKey), [alice])
        const split = await this.send('split', give(
            this.made.divisible, [0], single(alice.publicKey, '4'),
            single(bob.publicKey, '3'), single(carol.publicKey, '3')), [alice])
        const joined = await this.send('joined', give(
            this.made.split, [1, 2], single(alice.publicKey, '6')), [bob, carol])
        return { created, split, joined }
    }

    async bothOwners() {
        const { alice, bob, carol } = this.keys
        const owners = [alice.publicKey, bob.publicKey]
        const sign = signingTogether(2, [alice, bob])
        const unsigned = Transaction.makeCreateTransaction(
            { deed: 'both of two' }, null, [shared(2, owners)])
        unsigned.inputs = [Transaction.makeInputTemplate(owners)]
        const created = await this.post(
            'both_owners', Transaction.delegateSignTransaction(unsigned, sign), 'Commit')
        const transfer = Transaction.makeTransferTransaction(
            inputsOf(this.made.both_owners, [0]), [single(carol.publicKey)], null)
        const spent = await this.post(
            'both_owners_spent', Transaction.delegateSignTransaction(transfer, sign), 'Commit')
        return { created, spent }
    }

    async twoOfThree() {
        const { alice, bob, carol } = this.keys
        const owners = [alice, bob, carol].map((pair) => pair.publicKey)
        const created = await this.send('two_of_three', Transaction.makeCreateTransaction(
            { deed: 'two of three' }, null, [shared(2, owners)], alice.publicKey), [alice])
        const unsigned = Transaction.makeTransferTransaction(
            inputsOf(this.made.two_of_three, [0]), [single(bob.publicKey)], null)
        // One key of the threshold, as if it were enough.
        const one = Transaction.delegateSignTransaction(
            unsigned, signingTogether(1, [carol]))
        const two = Transaction.delegateSignTransaction(
            unsigned, signingTogether(2, [alice, carol]))
        const refused = await this.refusal(this.connection.postTransactionCommit(one))
        const spent = await this.post('two_of_three_spent', two, 'Commit')
        return { created, one_signature: refused, spent }
    }

    doubleSpend() {
        const { alice, carol } = this.keys
        const unsigned = Transaction.makeTransferTransaction(
            inputsOf(this.made.send_commit, [0]), [single(carol.publicKey)], null)
        const again = Transaction.signTransaction(unsigned, alice.privateKey)
        return this.refusal(this.connection.postTransactionSync(again))
    }

    sentAgain() {
        return this.refusal(this.connection.postTransactionAsync(this.made.send_sync))
    }

    tampered() {
        const changed = JSON.parse(JSON.stringify(this.made.send_async))
        changed.metadata.beast = 'cat'
        return this.refusal(this.connection.postTransaction(changed))
    }

    async outputs() {
        const found = {}
        for (const [name, { publicKey }] of Object.entries(this.keys)) {
            found[name] = {
                all: await this.connection.listOutputs(publicKey),
                spent: await this.connection.listOutputs(publicKey, true),
                unspent: await this.connection.listOutputs(publicKey, false)
            }
        }
        return found
    }

    async transactions() {
        const { id } = this.made.divisible
        return {
            all: await this.connection.listTransactions(id),
            create: await this.connection.listTransactions(id, 'CREATE'),
            transfer: await this.connection.listTransactions(id, 'TRANSFER')
        }
    }

    async search(method, word) {
        return {
            found: await this.connection[method](word),
            limited: await this.connection[method](word, 2),
            none: await this.connection[method]('cockatrice')
        }
    }

    async height() {
        const [height] = await this.connection.listBlocks(this.made.transfer.id)
        return height
    }

    block() {
        const { id } = this.made.transfer
        const event = this.events.find(({ transaction_id: other }) => other === id)
        return this.connection.getBlock(event.height)
    }

    send(name, unsigned, signers, mode = 'Commit') {
        const secrets = signers.map((pair) => pair.privateKey)
        return this.post(name, Transaction.signTransaction(unsigned, ...secrets), mode)
    }

    /* Send, wait for the event, and read back. */
    async post(name, document, mode) {
        const answered = await this.connection[`postTransaction${mode}`](document)
        await this.announced(document.id)
        this.made[name] = document
        const retrieved = await this.connection.getTransaction(document.id)
        return { sent: document, answered, retrieved }
    }

    announced(id) {
        return new Promise((resolve, reject) => {
            const late = setTimeout(() => reject(new Error(`no event of ${id}`)), PATIENCE)
            this.arrived = () => {
                if (this.events.some((event) => event.transaction_id === id)) {
                    clearTimeout(late)
                    resolve()
                }
            }
            this.arrived()
        })
    }

    /* What the driver makes of an error answer: the end of the status line, and no body. */
    async refusal(answering) {
        let answer
        try {
            answer = await answering
        } catch (error) {
            if (!('status' in error)) throw error
            return { status: parseInt(error.status, 10), line: error.status }
        }
        throw new Error(`accepted: ${JSON.stringify(answer)}`)
    }
}

options().then(async (given) => {
    const application = new Application(given)
    await take(application.steps())
    application.socket.close()
})
