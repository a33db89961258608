"""What is in the wheel and the sdist. `AMBI_DIST` is the folder they stand in; `nox -s release_check` builds them."""

from __future__ import annotations

import email
import email.message
import os
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import ambi

ROOT = Path(__file__).parents[2]
DIST = os.environ.get("AMBI_DIST")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(DIST is None, reason="AMBI_DIST names no folder with a wheel and an sdist")


@pytest.fixture
def wheel() -> zipfile.ZipFile:
    (found,) = Path(DIST or "").glob("*.whl")
    return zipfile.ZipFile(found)


@pytest.fixture
def sdist() -> set[str]:
    (found,) = Path(DIST or "").glob("*.tar.gz")
    with tarfile.open(found) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def kept_in(folder: str) -> set[str]:
    """Give the files of a folder that belong to the project, not to an interpreter or an editor."""
    files = (ROOT / folder).rglob("*")
    return {str(path.relative_to(ROOT)) for path in files if path.is_file() and "__pycache__" not in path.parts}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile):
    package = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert package == {name.removeprefix("framework/") for name in kept_in("framework")}
    assert "ambi/py.typed" in package


def test_the_wheel_runs_on_every_system(wheel: zipfile.ZipFile):
    assert str(wheel.filename).endswith(f"ambi-{ambi.__version__}-py3-none-any.whl")


def test_the_sdist_holds_what_the_package_is_made_and_tested_of(sdist: set[str]):
    for folder in ("framework", "tests", "examples", "docs"):
        missing = {name for name in kept_in(folder) if not name.startswith("docs/_build/")} - sdist
        assert not missing
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "noxfile.py"} <= sdist


def test_neither_says_where_it_was_made(wheel: zipfile.ZipFile):
    here = str(ROOT).encode()
    assert not [name for name in wheel.namelist() if here in wheel.read(name)]


def test_the_command_and_the_plugin_are_found(wheel: zipfile.ZipFile):
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(name).decode().split() == [
        "[console_scripts]", "ambi", "=", "ambi.cli:main", "[pytest11]", "ambi", "=", "ambi.testing.plugin",
    ]  # fmt: skip


def test_the_metadata_says_what_the_project_says(metadata: email.message.Message):
    assert metadata["Name"] == "ambi"
    assert metadata["Version"] == ambi.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    needed = {line.partition(";")[0] for line in metadata.get_all("Requires-Dist", ()) if "extra ==" not in line}
    assert {re.match(r"[\w.-]+", line)[0] for line in needed} == {"anyio", "multipart", "typing-extensions"}  # type: ignore[index]
    assert set(metadata.get_all("Provides-Extra", ())) == set(PYPROJECT["project"]["optional-dependencies"])


def test_the_classifiers_name_the_pythons_that_are_tested(metadata: email.message.Message):
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    tested = set(re.findall(r'"(3\.\d+)"', re.search(r"SUPPORTED = sorted\(\{(.*?)RUNNING", noxfile)[1]))  # type: ignore[index]
    named = {line.rpartition(" ")[2] for line in metadata.get_all("Classifier", ()) if " :: 3." in line}
    assert named == tested


def test_the_version_stands_in_one_place():
    """A second place would be forgotten: the release would call itself by two names."""
    version = re.compile(rf"\b{re.escape(ambi.__version__)}\b")
    sources = [*ROOT.glob("framework/**/*.py"), *ROOT.glob("docs/*.py"), ROOT / "pyproject.toml", ROOT / "noxfile.py"]
    places = {path.name for path in sources if version.search(path.read_text(encoding="utf-8"))}
    assert places - {"equipment.py"} == {"__init__.py"}  # there it is the version of a user's API, by default
