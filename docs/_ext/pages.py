"""What a page of Markdown gets on the site, besides what stands in it.

- An `index.md` lists pages under headings. These lists are the site's tables of contents too; files beside an index
  that it does not list come after them, by name. A page that nobody lists fails the build.
- The pages in `project/` stand for files at the root of the project, and show them.
- Commands are coloured, with a prompt before them or without.
- A link to a file that is no page leads to a page with that file's text, one to a folder to a list of its files.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util import logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SHOWN = {
    "project/changelog": "CHANGELOG.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/security": "SECURITY.md",
}
"""A page -> the file at the root that it shows."""
STANDS_FOR = {**{path: f"docs/{page}.md" for page, path in SHOWN.items()}, "README.md": "docs/index.md"}
"""A file at the root -> the page to which links to it lead."""
LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".json": "json", ".html": "html", ".js": "javascript"}
FENCE = re.compile(r"^\s*(`{3,}(?=[^`]*$)|~{3,})")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")  # its text may begin a line before
LISTED = re.compile(r"^- \[(?P<label>[^\]]+)\]\((?P<target>[^)\s#]+\.md)\)")
navigation: dict[int, str] = {}
"""What stands beside pages of source, by how deep they are."""
logger = logging.getLogger(__name__)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Change the lines of a page that are not within a fenced block."""
    fence, changed = "", list[str]()
    for line in text.split("\n"):
        found = FENCE.match(line)
        if found and (not fence or (line.strip() == found[1] and found[1].startswith(fence))):
            fence = "" if fence else found[1]
            changed.append(line)
        else:
            changed.append(line if fence else change(line))
    return "\n".join(changed)


def retarget(target: str, folder: str, docname: str) -> str:
    """Give the target of a link as the site needs it.

    Args:
        target: as it stands in the text.
        folder: that the text stands in, from the project's root.
        docname: the page that shows the text.
    """
    if re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE) or target.startswith("#"):
        return target
    path, hash_sign, fragment = target.partition("#")
    path = normpath(join(folder, path))
    if (ROOT / path).is_dir() and (ROOT / path / "index.md").exists():
        path = f"{path}/index.md"
    path = STANDS_FOR.get(path, path)
    if not path.startswith("docs/"):
        return f"source:{path}"
    if not path.endswith(".md"):
        return target
    return relpath(path, dirname(f"docs/{docname}")) + hash_sign + fragment


def contents(text: str, folder: str, docname: str) -> str:
    """Make the tables of contents of an index: one for each heading with a list of pages."""
    tables: dict[str, list[str]] = {}
    heading, seen = "", {f"docs/{docname}.md"}
    for line in text.split("\n"):
        if line.startswith(("## ", "### ")):
            heading = line.lstrip("#").strip()
        elif listed := LISTED.match(line):
            path = normpath(join(folder, listed["target"]))
            path = STANDS_FOR.get(path, path)
            if not path.startswith("docs/"):
                continue
            seen.add(path)
            entry = relpath(path, dirname(f"docs/{docname}")).removesuffix(".md")
            tables.setdefault(heading, []).append(f"{listed['label'].replace('`', '')} <{entry}>")
    if docname != "index":
        beside = sorted(f"docs/{file.relative_to(DOCS)}" for file in (ROOT / folder).glob("*.md"))
        rest = [Path(path).stem for path in beside if path not in seen]
        if rest:
            tables.setdefault("", []).extend(rest)
    made = [
        "\n".join(
            [
                "",
                "```{toctree}",
                ":hidden:",
                ":titlesonly:",
                *([f":caption: {heading}"] if heading else []),
                "",
                *entries,
                "```",
            ]
        )
        for heading, entries in tables.items()
    ]
    return "\n".join(made) + "\n"


def complete(app: Sphinx, docname: str, source: list[str]) -> None:
    """Make of a page, as it is read, what the site needs."""
    text, folder = source[0], dirname(f"docs/{docname}")
    if docname in SHOWN:
        file = ROOT / SHOWN[docname]
        app.env.note_dependency(str(file))
        text, folder = file.read_text(encoding="utf-8"), ""

    def change(line: str) -> str:
        return LINK.sub(lambda found: f"]({retarget(found['target'], folder, docname)})", line)

    changed = outside_fences(text, change)
    if docname == "index" or docname.endswith("/index"):
        changed += contents(text, folder, docname)
    source[0] = changed


def sources_of(env: BuildEnvironment) -> dict[str, set[str]]:
    """Give the files and folders that pages link to, by page."""
    if not hasattr(env, "ambi_sources"):
        env.ambi_sources = {}  # type: ignore[attr-defined]
    kept: dict[str, set[str]] = env.ambi_sources  # type: ignore[attr-defined]
    return kept


def note_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Remember which files the links of a page lead to."""
    found = sources_of(app.env)[app.env.docname] = set()
    for reference in doctree.findall(nodes.reference):
        if (uri := reference.get("refuri", "")).startswith("source:"):
            path = uri.removeprefix("source:").partition("#")[0]
            if not (ROOT / path).exists():
                logger.warning("a link leads to no file: %s", path, location=reference)
            found.add(path)


def colour_commands(app: Sphinx, doctree: nodes.document) -> None:
    """Show lines of commands without a prompt as what they are: in the letters of `console` they would be output."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "console" and not re.search(r"^\$ ", block.astext(), re.MULTILINE):
            block["language"] = "bash"


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the links of a page that is gone or read anew."""
    sources_of(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """Take over what another process has read."""
    sources_of(env).update({name: paths for name, paths in sources_of(other).items() if name in docnames})


def point(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let links to files lead to their pages."""
    for reference in doctree.findall(nodes.reference):
        if (uri := reference.get("refuri", "")).startswith("source:"):
            path, hash_sign, fragment = uri.removeprefix("source:").partition("#")
            reference["refuri"] = app.builder.get_relative_uri(docname, f"source/{path}") + hash_sign + fragment


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Give a page for each file and folder that is linked to, and for the files of those folders."""
    wanted = set().union(*sources_of(app.env).values())
    folders = {path for path in wanted if (ROOT / path).is_dir()}
    for folder in sorted(folders):
        files = sorted(str(file.relative_to(ROOT)) for file in (ROOT / folder).rglob("*.py"))
        wanted.update(files)
        items = "".join(
            f'<li><a href="{relpath(file, dirname(folder))}.html"><code>{escape(file)}</code></a></li>'
            for file in files
        )
        body = f"<h1>{escape(folder)}/</h1><ul>{items}</ul>"
        yield f"source/{folder}", {"title": f"{folder}/", "body": body}, "page.html"
    for path in sorted(wanted - folders):
        file = ROOT / path
        if not file.exists():
            continue
        text = file.read_text(encoding="utf-8")
        language = LANGUAGES.get(file.suffix, "text")
        code = app.builder.highlighter.highlight_block(text, language, lineanchors="line")  # type: ignore[attr-defined]
        yield f"source/{path}", {"title": path, "body": f"<h1>{escape(path)}</h1>{code}"}, "page.html"


def keep_navigation(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Let pages of source share their navigation; it takes long to make, and is the same at one depth."""
    if page.startswith("source/"):
        make, folder = context["toctree"], page.count("/")

        def kept(**options: Any) -> str:
            if folder not in navigation:
                navigation[folder] = make(**options)
            return navigation[folder]

        context["toctree"] = kept


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.connect("source-read", complete)
    app.connect("doctree-read", note_sources)
    app.connect("doctree-read", colour_commands)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", point)
    app.connect("html-page-context", keep_navigation, priority=400)  # before the theme asks for it
    app.connect("html-collect-pages", source_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
