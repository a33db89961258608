"""Faults over real sockets and with real signals: `nox -s faults`. Every server is started once a colour of handlers."""
