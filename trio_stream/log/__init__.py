"""The commit log: SQLite on disk, one writer and its readers; the only wing that knows SQLite.

Each block is one transaction, durable when it returns. Every read is a short transaction that ends
before its thread returns, so that a checkpoint never waits long for a reader.
"""
