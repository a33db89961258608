"""The Autobahn test suite against an echo of ours: `nox -s autobahn`."""
