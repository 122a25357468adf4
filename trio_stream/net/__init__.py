"""What doors ask of the system: sockets, TLS, request heads, signals, memory."""
