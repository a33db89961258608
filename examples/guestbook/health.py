"""Whether the site works, for whoever watches it."""

from anyio import to_thread
from sqlalchemy import Engine

from ambi import Request, Router

health = Router()


@health.get("/healthz", timeout_s=1)
async def healthz(request: Request) -> str:
    """Ask the database, but not for long. An `async def` may have a time limit, and waits for no busy thread."""
    await to_thread.run_sync(ask, request.state.engine, abandon_on_cancel=True)
    return "ok"


def ask(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
