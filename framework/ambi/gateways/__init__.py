"""The two gateways. Each is three verbs: read the request, run it, write the response."""
