"""An application in debug that crashes, for the page that shows it."""

from dataclasses import dataclass

from ambi import App, Middleware, Request

app = App(debug=True)
PRICES = {"tea": 3, "cake": 5}


@dataclass
class Customer:
    name: str
    api_key: str


class Order:
    def __init__(self, id: int, items: list[str]) -> None:
        self.id = id
        self.items = items

    def __repr__(self) -> str:
        return f"<Order {self.id}: {', '.join(self.items)}>"


@app.middleware
def timing(request: Request) -> Middleware:
    yield


@app.middleware(blocking=True)
def transaction(request: Request) -> Middleware:
    yield


def total(order: Order) -> int:
    return sum(PRICES[item] for item in order.items)


@app.get("/orders/{id}")
def show_order(id: int, request: Request) -> dict[str, int]:
    customer = Customer("Ada", api_key="sk-live-0123456789")
    database = "postgres://shop:correct-horse@db/shop"
    order = Order(id, ["tea", "milk"])
    try:
        return {"total": total(order)}
    except KeyError as exc:
        raise LookupError(f"order {order.id} of {customer.name} asks for {exc}, which is not in {database}") from exc


@app.get("/users")
async def list_users() -> list[str]:
    return []
