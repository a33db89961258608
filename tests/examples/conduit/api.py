"""The API as somebody uses it, in process or over a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

PASSWORD = "correct horse"
_numbers = count(1)


class Answer(NamedTuple):
    """What came back; `document` is None where there is no body."""

    status: int
    headers: dict[str, str]
    document: Any

    def errors(self, status: int) -> dict[str, list[str]]:
        """Give the errors of a refusal, which has that status and the contract's form."""
        assert self.status == status, self
        assert self.headers["content-type"] == "application/json"
        found: dict[str, list[str]] = self.document["errors"]
        assert found["body"]
        assert all(isinstance(text, str) for texts in found.values() for text in texts)
        return found


class Contract(NamedTuple):
    """What differs between the versions of the contract, as `examples.conduit.contract` has it."""

    commented: int = 200
    nothing: str | None = ""


CONTRACTS = {"1.1": Contract(), "2.0": Contract(201, None)}
Send = Callable[[str, str, dict[str, str], bytes | None], tuple[int, dict[str, str], bytes]]


@dataclass
class Person:
    """Somebody who has an account, or who has none."""

    send: Send
    name: str = ""
    token: str | None = None
    scheme: str = "Token"
    account: dict[str, Any] = field(default_factory=dict)
    contract: Contract = CONTRACTS["1.1"]

    def call(self, method: str, path: str, sent: Any = None) -> Answer:
        headers = {} if self.token is None else {"authorization": f"{self.scheme} {self.token}"}
        body = None if sent is None else json.dumps(sent).encode()
        if body is not None:
            headers["content-type"] = "application/json"
        status, fields, content = self.send(method, f"/api{path}", headers, body)
        return Answer(status, fields, json.loads(content) if content else None)

    def get(self, path: str) -> Any:
        """Get a document that is there."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.document

    def post(self, path: str, sent: Any = None) -> Answer:
        return self.call("POST", path, sent)

    def put(self, path: str, sent: Any) -> Answer:
        return self.call("PUT", path, sent)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def somebody(self, name: str = "jake") -> Person:
        """Sign somebody new up."""
        name = f"{name}{next(_numbers)}"
        new = Person(self.send, name, contract=self.contract)
        answer = new.post("/users", {"user": {"username": name, "email": new.email, "password": PASSWORD}})
        assert answer.status == 201, answer
        new.account = answer.document["user"]
        new.token = new.account["token"]
        return new

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    def writes(self, title: str = "How to train your dragon", **more: Any) -> dict[str, Any]:
        """Write an article; give it as it was answered."""
        article = {"title": title, "description": "Ever wonder how?", "body": "With two hands", **more}
        answer = self.post("/articles", {"article": article})
        assert answer.status == 201, answer
        written: dict[str, Any] = answer.document["article"]
        return written
