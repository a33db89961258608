"""What an extension is given, besides routes: layers around all others, and a way to be there once."""

from pathlib import Path
from typing import Any

import pytest

from ambi import App, ConfigurationError, Layer, Middleware, Request, Router
from tests.cells import Cell
from tests.conftest import MakeClient


def noting(name: str, notes: list[str]) -> Any:
    def layer(request: Request) -> Middleware:
        notes.append(name)
        yield

    return layer


def test_what_surrounds_is_around_all_layers_by_its_rank(make_client: MakeClient, cell: Cell) -> None:
    notes: list[str] = []
    app = App(middleware=[noting("own", notes)])
    app.surround(noting("thirty", notes), rank=30)
    app.middleware(noting("added", notes))
    app.surround(Layer(noting("ten", notes)), rank=10)
    app.surround(noting("twenty", notes), rank=20)
    app.surround(noting("twenty again", notes), rank=20)
    app.get("/")(cell.handler(lambda: "ok"))
    assert make_client(app).get("/").text == "ok"
    assert notes == ["ten", "twenty", "twenty again", "thirty", "own", "added"]


def test_what_surrounds_reaches_routes_that_were_served_already(make_client: MakeClient, cell: Cell) -> None:
    notes: list[str] = []
    app = App()
    app.get("/")(cell.handler(lambda: "ok"))
    client = make_client(app)
    client.get("/")
    app.surround(noting("late", notes), rank=5)
    client.get("/")
    assert notes == ["late"]


def test_a_layer_is_added_as_it_is(make_client: MakeClient, cell: Cell) -> None:
    notes: list[str] = []
    app = App()
    layer = Layer(noting("layer", notes), blocking=True)
    assert app.middleware(layer) is layer
    app.get("/")(cell.handler(lambda: "ok"))
    make_client(app).get("/")
    assert notes == ["layer"]
    assert app.layers == (layer,)


@pytest.mark.parametrize("option", ["blocking", "body"])
def test_a_layer_has_its_options_already(option: str) -> None:
    """Nothing is served."""
    layer = Layer(noting("layer", []))
    with pytest.raises(ConfigurationError, match="has options of its own; give blocking= and body= to it"):
        App().middleware(**{option: True})(layer)


# --- once ---


def setup(app: Router) -> None:
    app.once("ambi-example")


def line_of(text: str) -> int:
    return Path(__file__).read_text(encoding="utf-8").split("\n").index(text) + 1


@pytest.mark.parametrize("kind", [App, Router])
def test_what_can_be_there_once_tells_both_places(kind: type[Router]) -> None:
    app = kind()
    setup(app)  # the first place
    with pytest.raises(ConfigurationError) as caught:
        setup(app)  # the second place
    first = line_of("    setup(app)  # the first place")
    second = line_of("        setup(app)  # the second place")
    assert str(caught.value) == (
        f"ambi-example is set up at {__file__}:{first} already, so it cannot be at {__file__}:{second}: there can be one"
    )


def test_another_application_has_one_of_its_own() -> None:
    setup(App())
    setup(App())


def test_the_place_of_a_feature_is_that_of_who_asked_for_it() -> None:
    app = App()
    app.openapi(path=None)  # not a place in the package
    assert app._places == {
        "app.openapi(...)": f"{__file__}:{line_of('    app.openapi(path=None)  # not a place in the package')}"
    }
