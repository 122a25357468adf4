"""From one writer to any number of subscribers.

What comes in is a level, "the tip is now h", and never an event: a level cannot be lost and needs
no buffer. What was committed is read back from the log, framed once and given to every clone of the
channel, each of which is an independent reader with a position of its own.
"""
