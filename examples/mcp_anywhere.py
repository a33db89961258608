"""A tea room for people and for language models: a page, and an MCP server at /mcp, on any server.

    pip install mcp
    gunicorn -k gthread --threads 20 examples.mcp_anywhere:app      a thread for each call under way
    uvicorn examples.mcp_anywhere:app

A client is given http://localhost:8000/mcp. With the package's own:

    async with Client("http://localhost:8000/mcp") as client:
        await client.call_tool("brew", {"tea": "Oolong"}, progress_callback=print)
"""

import asyncio
from collections import Counter
from html import escape

try:
    from ambi import HTML, App, HTTPError
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None
try:
    from mcp.server.mcpserver import Context, MCPServer
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. `pip install 'mcp>=2'` comes first.") from None

TEAS = {"Assam": 4, "Oolong": 3, "Sencha": 2}  # steps that each takes to brew
brewed = Counter[str]()

app = App()
server = MCPServer("Tea room", instructions="Ask for the menu, then brew one of its teas.")


@app.get("/")
def home() -> HTML:
    """Show people what was brewed, be it for them or for a model."""
    lines = "".join(f"<li>{escape(tea)}: {brewed[tea]} brewed</li>" for tea in TEAS)
    return HTML(PAGE.format(lines=lines))


@app.get("/teas/{tea}")
def one(tea: str) -> dict[str, object]:
    if tea not in TEAS:
        raise HTTPError(404, f"There is no {tea}.")
    return {"tea": tea, "brewed": brewed[tea]}


@server.tool()
def menu() -> list[str]:
    """List the teas."""
    return list(TEAS)


@server.tool()
async def brew(tea: str, context: Context) -> str:
    """Brew one tea of the menu."""
    steps = TEAS[tea]
    for step in range(steps):
        await context.report_progress(step, steps, f"{tea} is drawing")
        await asyncio.sleep(0.1)
    await context.report_progress(steps, steps, f"{tea} is ready")
    brewed[tea] += 1
    return f"A pot of {tea}."


@server.resource("tea://brewed")
def tally() -> dict[str, int]:
    """Tell what was brewed so far."""
    return dict(brewed)


# The MCP application answers at its own path, /mcp, so it is mounted at the root; the routes above come before it, and
# its start-up and shutdown run with ours. Without sessions (`stateless_http`) any worker can answer any call. By itself
# it answers to the names of this machine only: for others, give `transport_security` their names.
app.mount("/", server.streamable_http_app(stateless_http=True))

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tea room</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.1em/1.6 system-ui; max-width: 34em; margin: 2em auto; padding: 0 1em }}
</style>
<h1>Tea room</h1>
<ul>{lines}</ul>
<p>Language models order at <code>/mcp</code>, by the Model Context Protocol.</p>
</html>
"""

if __name__ == "__main__":
    raise SystemExit("Start this with one of:\n" + (__doc__ or ""))
