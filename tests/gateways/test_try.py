import time
from ambi import *
import pytest
def test_a(cell, app, client):
    @app.get("/{name}")
    @cell.handler
    def hello(name: str):
        return f"hi {name}"
    assert client.get("/bob").text == "hi bob"
def test_block(cell, app, client):
    @app.get("/")
    @cell.handler
    def hello():
        time.sleep(.01)
        return "x"
    assert client.get("/").status_code == (500 if cell.is_async else 200)
