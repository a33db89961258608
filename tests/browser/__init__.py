"""Pages in a real browser: the same test under a WSGI and an ASGI server."""
