"""The consensus engine, both ways: the ABCI server it connects to, and the client of its RPC.

Nothing here knows what a transaction is. The server drives an application with check, begin,
deliver, end and commit; the client broadcasts bytes.
"""
