"""What the load test serves: a counter a session, in the store that the environment names."""

import os

from ambi import App, Request
from ambi.features.sessions import RedisStore, SQLiteStore

app = App()
where = os.environ["SESSIONS"]
app.sessions("a secret for the load test, of 32 bytes", store=RedisStore(where) if ":" in where else SQLiteStore(where))


@app.post("/def/{client}")
def count(client: str, request: Request) -> str:
    session = request.session
    if session.setdefault("client", client) != client:
        raise RuntimeError("the session of another client")
    session["n"] = session.get("n", 0) + 1
    return str(session["n"])


@app.post("/async/{client}")
async def acount(client: str, request: Request) -> str:
    return count(client, request)
