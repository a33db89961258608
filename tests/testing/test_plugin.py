"""The plugin of pytest, seen by running pytest on small projects. The gateways are its own: there is no cell."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.children import run_python

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

APP = """
import pytest
from ambi import App

@pytest.fixture
def app():
    app = App()
    app.get("/")(lambda request: request.gateway)
    return app
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give what runs pytest on a test file, with the plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(test: str, *options: str, conftest: str = APP) -> pytest.RunResult:
        pytester.makeconftest(conftest)
        pytester.makepyfile(test)
        return pytester.runpytest_inprocess("-p", "ambi.testing.plugin", "--strict-markers", "-v", *options)

    return run


def outcomes(result: pytest.RunResult) -> list[str]:
    """Give the tests that passed."""
    return sorted(line.split("::")[1].split(" ")[0] for line in result.outlines if " PASSED" in line)


def test_a_test_runs_under_each_gateway(run: Run) -> None:
    result = run("""
        def test_it(client):
            assert client.get("/").text == client.gateway
    """)
    assert outcomes(result) == ["test_it[asgi]", "test_it[wsgi]"]
    result.assert_outcomes(passed=2)


def test_a_marker_says_under_which(run: Run) -> None:
    result = run("""
        import pytest
        from ambi.testing import GatewaysDiffer

        @pytest.mark.gateway("asgi")
        def test_asgi(client):
            assert client.get("/").text == "asgi"

        @pytest.mark.gateway("wsgi", "both")
        def test_two(client):
            if client.gateway == "both":
                with pytest.raises(GatewaysDiffer):
                    client.get("/")

        @pytest.mark.gateway("wsgi")
        class TestGroup:
            def test_wsgi(self, client):
                assert client.gateway == "wsgi"

        @pytest.mark.gateway("wsgi")
        def test_none(): pass
    """)
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("marker", ['"rsgi"', "", '"wsgi", reason="x"'])
def test_a_marker_that_says_nothing_known_is_an_error(run: Run, marker: str) -> None:
    result = run(f"""
        import pytest

        @pytest.mark.gateway({marker})
        def test_it(client): pass
    """)
    assert result.ret != 0
    assert "takes 'wsgi', 'asgi' or 'both'" in result.stdout.str() + result.stderr.str()


def test_the_lifespan_runs_as_long_as_the_test(run: Run) -> None:
    result = run(
        """
        from conftest import events

        def test_it(client):
            assert events[-1] == "started"

        def test_after():
            assert events == ["started", "stopped"] * 2
        """,
        conftest="""
        import pytest
        from ambi import App

        events = []

        async def lifespan():
            events.append("started")
            yield
            events.append("stopped")

        @pytest.fixture
        def app():
            return lambda: App(lifespan=lifespan)
        """,
    )
    result.assert_outcomes(passed=3)


def test_a_project_without_an_app_is_told_what_to_write(run: Run) -> None:
    result = run("def test_it(client): pass", conftest="")
    result.assert_outcomes(errors=2)
    assert "needs a fixture `app` that gives the application under test" in result.stdout.str()


def test_a_fixture_of_the_project_goes_first(run: Run) -> None:
    result = run(
        "def test_it(client): assert client == 'mine'",
        conftest="import pytest\n\n@pytest.fixture\ndef client(): return 'mine'",
    )
    result.assert_outcomes(passed=1)


def test_a_fixture_of_the_project_may_build_on_it(run: Run) -> None:
    result = run(
        "def test_it(client): assert client.headers == {'x-a': '1'}",
        conftest=APP + "\n\n@pytest.fixture\ndef client(client):\n    client.headers['x-a'] = '1'\n    return client",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("first", [True, False])
def test_the_fixture_of_another_plugin_stays(run: Run, pytester: pytest.Pytester, first: bool) -> None:
    """As pytest-django's and pytest-flask's, whichever is loaded first."""
    pytester.makepyfile(other_plugin="import pytest\n\n@pytest.fixture\ndef client(): return 'theirs'")
    pytester.syspathinsert()
    options = ["-p", "other_plugin"]
    result = run(
        """
        def test_theirs(client):
            assert client == "theirs"

        def test_ours(ambi_client, async_client):
            assert ambi_client.get("/").text == ambi_client.gateway == async_client.gateway
        """,
        *(options if first else ["-p", "no:nothing", *options]),
    )
    result.assert_outcomes(passed=3)


def test_plain_names_can_be_switched_off(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nambi_fixtures = prefixed")
    result = run("def test_it(client): pass\n\ndef test_other(ambi_client): pass")
    result.assert_outcomes(errors=1, passed=2)
    pytester.makeini("[pytest]\nambi_fixtures = none")
    result = run("def test_it(): pass")
    assert "ambi_fixtures must be 'plain' or 'prefixed', not 'none'" in result.stderr.str()


def test_a_client_that_awaits_is_entered_by_the_test(run: Run) -> None:
    result = run(
        """
        import pytest

        @pytest.mark.anyio
        async def test_it(async_client):
            async with async_client:
                assert (await async_client.get("/")).text == async_client.gateway
        """,
        "-p",
        "anyio",
        "-k",
        "asyncio",
    )
    result.assert_outcomes(passed=2, deselected=2)


def test_a_fixture_that_fails_to_find_another_says_which(run: Run) -> None:
    result = run("def test_it(client): pass", conftest="import pytest\n\n@pytest.fixture\ndef app(database): pass")
    assert "fixture 'database' not found" in result.stdout.str()


def test_the_plugin_is_found_by_its_entry_point() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"ambi": "ambi.testing.plugin"}


def test_a_project_that_uses_none_of_it_loads_none_of_it() -> None:
    loaded = run_python("import sys, ambi.testing.plugin; print(*sys.modules)").split()
    assert [name for name in loaded if name.startswith("ambi.testing.")] == ["ambi.testing.plugin"]
    assert not {"anyio", "ambi.bridge.lifespan"} & set(loaded)


def test_importing_ambi_loads_no_client() -> None:
    assert "ambi.testing" not in run_python("import sys, ambi; print(*sys.modules)").split()
