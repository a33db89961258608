"""Which modules are mutated, and the tests that concern each: its own first, those that use it behind them."""

from typing import NamedTuple


class Part(NamedTuple):
    """What is mutated of one module.

    Attributes:
        tests: files below tests/.
        only: names of functions, methods and constants, where it is not the whole module that keeps a promise.
    """

    tests: tuple[str, ...]
    only: frozenset[str] = frozenset()


URLS = frozenset((
    "_HOST_SAFE", "DIGITS", "_IP_LITERAL", "split_host", "_has_only_triplets", "_is_ipv6",
    "parse_urlencoded", "_decode_field",
))  # fmt: skip
ENTRY = frozenset((
    "OWS", "check_host", "no_host", "has_unencoded", "check_coding", "host_of_server", "parse_content_length",
    "target_too_long", "headers_too_large",
))  # fmt: skip
ASGI = frozenset(("read_request", "_ASKED_FOR", "_WITH_BODY", "_check_fields", "_Hosts.learn"))
WSGI = frozenset(("read_request", "_check_fields", "_learn"))
JSON = frozenset(("_refuse_constant", "_finite", "read_json", "_STEPS", "_NO_BRACKETS", "check_depth", "too_deep"))
ASKED = frozenset(("Request.host", "Request.query", "Request.json", "Request.check_parsed_size", "Request.form"))
FORMS = frozenset((
    "boundary_of", "MultipartReader.__init__", "MultipartReader._begin_part", "MultipartReader._check_counts",
    "MultipartReader._take", "MultipartReader._end_part", "_clean_name",
))  # fmt: skip
JOIN = frozenset((
    "_FORBIDDEN", "is_safe_name", "StaticFiles._check_fallback", "StaticFiles.static",
    "StaticFiles._open", "StaticFiles._walk", "StaticFiles._resolve", "StaticFiles._open_resolved",
))  # fmt: skip

PARTS_OF_FILES = frozenset(("File._answer", "File._heed", "FileBody.__init__", "FileBody.read"))
AT_THE_DOOR = (
    "gateways/test_entry.py", "gateways/test_limits.py", "gateways/test_hosts.py", "gateways/test_requests.py",
    "gateways/test_bodies.py",
)  # fmt: skip

MODULES: dict[str, Part] = {
    "core/secrets.py": Part(("core/test_secrets.py",)),
    "core/ranges.py": Part(("core/test_ranges.py",)),
    "core/cookies.py": Part(("core/test_cookies.py",)),
    "core/headers.py": Part(("core/test_headers.py", "properties/test_header_writer.py")),
    "core/url.py": Part(("core/test_url.py",), URLS),
    "core/origins.py": Part(
        (
            "features/test_csrf.py",
            "features/test_cors.py",
            "gateways/test_hosts.py",
            "gateways/test_websocket.py",
            "core/test_websocket.py",
        )
    ),
    "core/preconditions.py": Part(("core/test_preconditions.py", "core/test_files.py"), frozenset(("holds_if_range",))),
    "core/files.py": Part(("core/test_files.py",), PARTS_OF_FILES),
    "core/request.py": Part(("core/test_request.py", *AT_THE_DOOR), ASKED),
    "core/json.py": Part(("core/test_json.py",), JSON),
    "gateways/entry.py": Part(AT_THE_DOOR, ENTRY),
    "gateways/asgi.py": Part((*AT_THE_DOOR, "gateways/test_asgi_servers.py"), ASGI),
    "gateways/wsgi.py": Part((*AT_THE_DOOR, "gateways/test_wsgi_servers.py"), WSGI),
    "core/limits.py": Part(("core/test_limits.py",)),
    "core/body.py": Part(("core/test_body.py", "gateways/test_bodies.py")),
    "core/forms.py": Part(("core/test_forms.py",), FORMS),
    "features/sessions/signing.py": Part(("properties/test_signing.py",)),
    "features/static.py": Part(("features/test_static.py",), JOIN),
}
