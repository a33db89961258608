"""The manifests of their page, by their fields; and what they are for: two replicas share, and one of them goes.

No cells: servers and Redis are real.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.pages import files, write
from tests.deploy.running import STOP_S, Events, Program, ask, connection_to, free_port, need, serve

PAGE = "deploy/kubernetes.md"
HOST = {"Host": "shop.example.com"}
SERVERS = (
    "gunicorn -c gunicorn.conf.py -b 127.0.0.1:{port} cluster:app",
    "uvicorn --no-proxy-headers --port {port} cluster:app",
)


def manifests() -> dict[str, dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return {each["kind"]: each for each in yaml.safe_load_all(files(PAGE)["shop.yaml"])}


def container() -> dict[str, Any]:
    (found,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_manifests_belong_together() -> None:
    found = manifests()
    assert set(found) == {"Deployment", "Service", "PodDisruptionBudget", "Ingress"}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert (
        found["Service"]["spec"]["selector"]
        == found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
        == labels
    )
    (port,) = container()["ports"]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    backend = found["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {
        "name": found["Service"]["metadata"]["name"],
        "port": {"name": found["Service"]["spec"]["ports"][0]["name"]},
    }
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < found["Deployment"]["spec"]["replicas"]


def test_the_times_of_a_stop_fit_into_each_other(tmp_path: Path) -> None:
    write("deploy/gunicorn.md", tmp_path)
    settings: dict[str, Any] = {}
    exec((tmp_path / "gunicorn.conf.py").read_text(), settings)
    waits = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    allowed = manifests()["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert waits + settings["graceful_timeout"] < allowed
    assert "graceful_stop_s=20" in files(PAGE)["cluster.py"]
    assert settings["graceful_timeout"] > 20


def test_the_container_may_do_little() -> None:
    found = container()
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert [each["mountPath"] for each in found["volumeMounts"]] == ["/tmp"]


class Replica:
    """One of the servers of the site."""

    def __init__(self, address: tuple[str, int], program: Program) -> None:
        self.address, self.program = address, program


@pytest.fixture
def replicas(redis_url: str, tmp_path: Path) -> Iterator[list[Replica]]:
    """Give a replica under gunicorn and one under uvicorn, with the environment of the manifest."""
    need("gunicorn", "uvicorn")
    for package in ("redis", "itsdangerous", "limits"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    write(PAGE, tmp_path)
    write("deploy/gunicorn.md", tmp_path)
    names = {each["name"] for each in container()["env"]}
    assert names == {"SHOP_BIND", "SHOP_WORKERS", "REDIS_URL", "SESSION_SECRET"}
    env = {"REDIS_URL": redis_url.removesuffix("/0") + "/4", "SESSION_SECRET": "s" * 40, "SHOP_WORKERS": "1"}
    with contextlib.ExitStack() as stack:
        made = []
        for command in SERVERS:
            port = free_port()
            address = ("127.0.0.1", port)
            made.append(
                Replica(address, stack.enter_context(serve(command.format(port=port), tmp_path, address, env=env)))
            )
        yield made


def test_replicas_share_and_a_client_of_one_that_goes_misses_nothing(replicas: list[Replica]) -> None:
    first, second = replicas
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container()[probe]["httpGet"]
        headers = {each["name"]: each["value"] for each in asked["httpHeaders"]}
        assert [ask(each.address, asked["path"], headers=headers).text for each in replicas] == ["ok", "ok"]
        assert ask(first.address, asked["path"]).status == 400  # by its address: it is none of the hosts

    with Events(subscriber(first), "/live") as events:
        put = ask(second.address, "/cart/tea", "POST", headers=HOST)
        assert put.json() == ["tea"]
        seen = events.next()
        while "data" not in seen:  # `retry` comes first
            seen = events.next()
        assert (seen["event"], seen["data"]) == ("added", '{"item":"tea"}')
        cookie = {**HOST, "Cookie": put.headers["set-cookie"].partition(";")[0]}
        assert [ask(each.address, "/cart", headers=cookie).json() for each in replicas] == [["tea"], ["tea"]]
        left = [int(ask(each.address, "/cart", headers=cookie).headers["ratelimit-remaining"]) for each in replicas]
        assert left[1] == left[0] - 1  # counted together

        first.program.terminate()
        started = time.monotonic()
        with pytest.raises(EOFError):  # well, by its last chunk
            while True:
                events.next()
        assert time.monotonic() - started < 5
    assert first.program.ended_within(STOP_S), first.program.log

    assert ask(second.address, "/cart/milk", "POST", headers=cookie).json() == ["tea", "milk"]  # while nobody listens
    with Events(subscriber(second), "/live", last_id=seen["id"]) as events:
        again = events.next()
        while "data" not in again:
            again = events.next()
        assert again["data"] == '{"item":"milk"}'


def subscriber(replica: Replica) -> Any:
    """Make a connection that names the site in its Host."""
    connection = connection_to(replica.address)
    connection.connect()
    connection.host = HOST["Host"]
    connection.port = 80
    return connection
