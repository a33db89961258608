"""Streams over real servers: what the client got, and that what made the stream came to its `finally`."""
