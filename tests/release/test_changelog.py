"""The changelog has the form of keepachangelog.com, and knows the version that the package says it is."""

from __future__ import annotations

import re

import pytest

import ambi
from tests.release.changelog import CHANGELOG, GROUPS, read

WHOLE = """\
# Changelog

Some words.

## [Unreleased]

### Added

- One thing
  and the rest of it.

## [1.0.0] - 2025-02-01

### Added

- All.

## [0.9.0rc1] - 2025-01-31

### Fixed

- A bug.
"""


def test_the_changelog_is_in_form_and_newest_first():
    releases = read(CHANGELOG.read_text(encoding="utf-8"))
    assert releases
    assert [release.order for release in releases] == sorted((release.order for release in releases), reverse=True)
    days = [release.day for release in releases if release.day is not None]
    assert days == sorted(days, reverse=True)
    for release in releases:
        assert list(release.groups) == [group for group in GROUPS if group in release.groups], release.version
        assert all(release.groups.values()), f"{release.version} has a heading without entries"


def test_the_version_is_the_newest_one_or_is_still_to_be_released():
    released = [release for release in read(CHANGELOG.read_text(encoding="utf-8")) if release.day is not None]
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", ambi.__version__)
    if released and released[0].version != ambi.__version__:
        unreleased = read(CHANGELOG.read_text(encoding="utf-8"))[0]
        assert unreleased.version == "Unreleased", f"{ambi.__version__} is in no heading of the changelog"


def test_a_changelog_is_read():
    unreleased, whole, candidate = read(WHOLE)
    assert (unreleased.version, unreleased.day) == ("Unreleased", None)
    assert unreleased.groups == {"Added": ["One thing"]}
    assert whole.order > candidate.order
    assert unreleased.order > whole.order


@pytest.mark.parametrize(
    ("line", "instead", "fault"),
    [
        ("## [1.0.0] - 2025-02-01", "## 1.0.0", "was expected to be"),
        ("## [1.0.0] - 2025-02-01", "## [1.0.0]", "a release has a date"),
        ("## [Unreleased]", "## [Unreleased] - 2025-02-02", "a release has a date"),
        ("## [1.0.0] - 2025-02-01", "## [1.0.0] - 2025-02-31", "day is out of range"),
        ("### Fixed", "### Mended", "'Mended' is none of Added"),
        ("- All.", "All.", "'All.' is neither"),
        ("### Fixed\n", "", "an entry stands outside"),
        ("- All.", "- All.\n\n### Added\n\n- More.", "twice"),
    ],
)
def test_a_fault_in_a_changelog_is_seen(line: str, instead: str, fault: str):
    assert line in WHOLE
    with pytest.raises(ValueError, match=fault):
        read(WHOLE.replace(line, instead))


def test_a_version_that_is_none_is_seen():
    with pytest.raises(ValueError, match="is no version"):
        [release.order for release in read(WHOLE.replace("1.0.0", "1.0"))]
