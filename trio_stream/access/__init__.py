"""Who may do what: tokens, tickets, origins and rates, the same for every door.

Pure: the time is passed in, and files are read elsewhere. With nothing of it configured, the doors
don't ask.
"""
