"""The peers, one module each, in the idiom that the peer's own documentation shows first.

A module offers ``GATEWAYS``, ``WITHOUT`` (case -> why the peer has none) and ``make(gateway, table,
middlewares)``, which returns the application; importing it raises ImportError where it is not installed.
"""
