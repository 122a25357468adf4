"""The consensus engine, both ways: the ABCI server it connects to, and the client of its RPC.

Nothing here knows what a transaction is. What the server drives is an application with check,
begin, deliver, end and commit; what is broadcast is bytes.
"""
