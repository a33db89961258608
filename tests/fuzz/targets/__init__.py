"""The targets, by name: modules with `check(data)`, `seeds()` and `__doc__`."""

NAMES = (
    "multipart",
    "parameters",
    "cookies",
    "conditions",
    "paths",
    "urlencoded",
    "sessions",
    "urls",
    "negotiation",
    "proxies",
    "websockets",
    "events",
    "bodies",
)
