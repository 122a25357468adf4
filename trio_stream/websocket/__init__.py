"""The WebSocket door: one guarded task per subscriber, on a clone of the commit channel."""
