"""MCP servers, with sessions and without, for the tests beside this file; and what there is of them in the process."""

import asyncio
import os
import threading

from mcp.server.mcpserver import Context, MCPServer

from ambi import App

app = App()
server = MCPServer("Tests")
calls = {"running": 0}
meetings: dict[int, asyncio.Barrier] = {}


@server.tool()
async def count(to: int, context: Context, pause_s: float = 0.0, together: int = 0) -> str:
    """Count, and tell of each number; when so many are to count together, when they are there."""
    calls["running"] += 1
    try:
        if together:
            await meetings.setdefault(together, asyncio.Barrier(together)).wait()
        for number in range(1, to + 1):
            await context.report_progress(number, to, f"at {number}")
            await asyncio.sleep(pause_s)
    finally:
        calls["running"] -= 1
    return f"counted to {to}"


@server.tool()
def thread_of() -> str:
    """Block, which the package lets a thread do."""
    return threading.current_thread().name


@server.resource("tests://pid")
def pid() -> str:
    return str(os.getpid())


@app.get("/left")
async def left() -> dict[str, int]:
    """Tell what is there besides this request."""
    return {
        **calls,
        "sessions": len(server.session_manager._server_instances),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


app.mount("/stateless", server.streamable_http_app(stateless_http=True))
app.mount("/redirected", server.streamable_http_app(stateless_http=True, streamable_http_path="/"))
app.mount("/", server.streamable_http_app())  # the last one made is `server.session_manager`
