"""An application with a page that shows its description."""

from dataclasses import dataclass
from typing import Annotated

from ambi import App, UploadFile
from ambi.features.auth import Bearer
from ambi.features.typed import Form, Status


@dataclass
class Item:
    """Something to sell."""

    name: str
    price: float = 1.0


app = App()
bearer = Bearer({"secret": "ada"})


@app.post("/items", tags=["items"])
def add_item(item: Item) -> Annotated[Item, Status(201)]:
    """Add an item."""
    return item


@app.get("/me")
async def me(user: Annotated[str, bearer]) -> str:
    return user


@app.post("/upload")
async def upload(one: UploadFile, more: list[UploadFile], note: Annotated[str, Form()] = "") -> dict[str, int]:
    return {"files": 1 + len(more)}


app.openapi(title="Shop", version="1.2", description="It *sells*.", tags={"items": "What there is"})
