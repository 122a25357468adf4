"""The HTTP server: BigchainDB's API, and the streams as Server-Sent Events and by polling."""
