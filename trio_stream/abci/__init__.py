"""The ABCI codec: bytes to messages and back, in every dialect; pure."""
