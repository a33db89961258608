"""What the suite talks to: everything that comes is sent back."""

from ambi import App, WebSocket

app = App()


@app.websocket("/")
async def echo(ws: WebSocket):
    async for message in ws:
        await ws.send(message)
