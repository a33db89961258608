"""Reading the changelog: releases, newest first, each with its groups of entries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""What keepachangelog.com 1.1.0 has, in its order."""

_RELEASE = re.compile(r"## \[(?P<version>[^\]]+)\](?: - (?P<day>\S+))?(?P<yanked> \[YANKED\])?")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")


@dataclass
class Release:
    """One release; `day` is None for what is not released yet. `groups` keeps the order of the page."""

    version: str
    day: date | None
    line: int
    groups: dict[str, list[str]] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, int, int, str, int]:
        """Give what releases are sorted by; one that is not released yet is the newest."""
        if self.version == "Unreleased":
            return 10**9, 0, 0, "", 0
        found = _VERSION.fullmatch(self.version)
        if found is None:
            raise ValueError(f"line {self.line}: {self.version!r} is no version such as 1.2.3 or 1.2.3rc1")
        major, minor, patch, stage, number = found.groups()
        return int(major), int(minor), int(patch), stage or "z", int(number or 0)


def read(text: str) -> list[Release]:
    """Read a changelog.

    Raises:
        ValueError: a line is not in the form of keepachangelog.com; names the line.
    """
    releases: list[Release] = []
    group: list[str] | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("## "):
            releases.append(_release_of(line, number))
            group = None
        elif line.startswith("### "):
            group = _open_group(releases, line.removeprefix("### "), number)
        elif line.startswith("- "):
            if group is None:
                raise ValueError(f"line {number}: an entry stands outside of {', '.join(GROUPS)}")
            group.append(line.removeprefix("- "))
        elif line.strip() and not line.startswith(("  ", "# ", "[")) and releases:
            raise ValueError(f"line {number}: {line!r} is neither a heading nor an entry nor the rest of one")
    return releases


def _release_of(line: str, number: int) -> Release:
    found = _RELEASE.fullmatch(line)
    if found is None:
        raise ValueError(f"line {number}: {line!r} was expected to be '## [1.2.3] - 2025-01-31' or '## [Unreleased]'")
    day = None if found["day"] is None else date.fromisoformat(found["day"])
    if (day is None) != (found["version"] == "Unreleased"):
        raise ValueError(f"line {number}: a release has a date, and what is not released has none")
    return Release(found["version"], day, number)


def _open_group(releases: list[Release], name: str, number: int) -> list[str]:
    if name not in GROUPS or not releases:
        raise ValueError(f"line {number}: {name!r} is none of {', '.join(GROUPS)}, below a release")
    groups = releases[-1].groups
    if name in groups:
        raise ValueError(f"line {number}: {name!r} stands there twice")
    return groups.setdefault(name, [])
