"""What doors have in common: sockets, TLS, request heads, signals, memory, an orderly stop."""
