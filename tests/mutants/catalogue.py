"""Which modules are mutated, and the tests that concern each: its own first, those that use it behind them."""

MODULES: dict[str, tuple[str, ...]] = {
    "core/secrets.py": ("core/test_secrets.py",),
    "core/ranges.py": ("core/test_ranges.py",),
    "core/cookies.py": ("core/test_cookies.py",),
    "core/headers.py": ("core/test_headers.py", "properties/test_header_writer.py"),
    "core/url.py": ("core/test_url.py",),
    "core/origins.py": ("features/test_csrf.py", "gateways/test_hosts.py", "gateways/test_websocket.py"),
    "core/limits.py": ("core/test_limits.py",),
    "core/body.py": ("core/test_body.py", "gateways/test_bodies.py", "gateways/test_limits.py"),
    "core/forms.py": ("core/test_forms.py",),
    "features/sessions/signing.py": ("properties/test_signing.py",),
    "features/static.py": ("features/test_static.py",),
}
