"""The WebSocket door: one guarded task per subscriber, each with a clone of the commit channel."""
