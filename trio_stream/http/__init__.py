"""The HTTP door: BigchainDB's API, and the streams as Server-Sent Events and by polling."""
