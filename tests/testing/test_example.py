"""The example of a test suite passes, with the plugin. It chooses its gateways itself: there is no cell."""

from pathlib import Path

from tests.children import run_python

ROOT = Path(__file__).parents[2]


def test_the_tests_of_the_example_pass() -> None:
    said = run_python(
        "import pytest, sys; sys.exit(pytest.main(['examples/testing', '-q', '-p', 'ambi.testing.plugin', '-p', 'anyio',"
        f" '-p', 'no:cacheprovider', '--rootdir', {str(ROOT)!r}]))",
        variables={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert "12 passed, 1 skipped" in said
