"""What a service that collects errors would have been told."""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def events_of_sentry(*, plain: bool = False) -> Iterator[list[Any]]:
    """Collect the events of Sentry's client; `plain` switches off all that it does by itself, as its logging does."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    events: list[Any] = []

    class Keep(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.extend(event for event in [envelope.get_event()] if event is not None)

    by_itself: dict[str, Any] = {"default_integrations": False} if plain else {}
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", transport=Keep, auto_enabling_integrations=False, send_client_reports=False,
        auto_session_tracking=False, **by_itself,
    )  # fmt: skip
    try:
        yield events
    finally:
        sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)
