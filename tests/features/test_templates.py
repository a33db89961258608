"""Templates: from a name and values to a response."""

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from ambi import App, ConfigurationError, Middleware, Request
from ambi.testing import Client
from tests.cells import Cell
from tests.children import run_python

jinja2 = pytest.importorskip("jinja2", reason="jinja2 is not installed")
from ambi.features.templates import Templates  # noqa: E402  # needs jinja2

PAGES = {
    "page.html": "<p>{{ text }}</p>",
    "base.html": "<title>{% block title %}{% endblock %}</title>{% include 'parts/foot.html' %}",
    "child.html": "{% extends 'base.html' %}{% block title %}{{ text }}{% endblock %}",
    "parts/foot.html": "<a href='{{ url_for('user', id=7, q='ü&') }}'>{{ request.path }}</a>",
    "rows.html": "{% for row in rows %}<li>{{ row }}</li>{% endfor %}",
    "script.html": "<script>let data = {{ data|tojson }}</script>",
    "functions.html": "{{ token() }} {{ token() }}",
    "known.html": "{{ user }} {{ text }} {{ site }}",
    "undefined.html": "{{ nobody_gave_this }}",
    "mail.txt": "Dear {{ text }}",
    "broken-at-run-time.html": "one\ntwo\n{{ 1 // zero }}\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of templates."""
    folder = tmp_path / "templates"
    for name, source in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source, encoding="utf-8")
    return folder


@pytest.fixture
def templates(folder: Path) -> Templates:
    return Templates(folder)


@pytest.fixture
def show(app: App, client: Client, cell: Cell, templates: Templates) -> Callable[..., Any]:
    """Give what asks a client of the cell for a template, rendered with values."""

    def show(name: str, made: Templates = templates, **values: Any) -> Any:
        path = f"/pages/{len(app.routes)}"
        app.get(path)(cell.handler(lambda request: made.render(name, request, **values)))
        return client.get(path)

    app.get("/users/{id}", name="user")(cell.handler(lambda id: str(id)))
    return show


def test_a_template_becomes_a_page(show: Callable[..., Any]) -> None:
    response = show("page.html", text="hello")
    assert (response.status_code, response.text) == (200, "<p>hello</p>")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_templates_extend_and_include_and_build_urls(show: Callable[..., Any]) -> None:
    response = show("child.html", text="A & B")
    assert "<title>A &amp; B</title><a href='/users/7?q=%C3%BC%26'>/pages/" in response.text


def test_a_page_may_have_another_status(app: App, client: Client, cell: Cell, templates: Templates) -> None:
    app.get("/")(cell.handler(lambda request: (templates.render("page.html", request, text=""), 404, {"x-a": "b"})))
    response = client.get("/")
    assert (response.status_code, response.headers["x-a"], response.text) == (404, "b", "<p></p>")


def test_every_name_escapes(show: Callable[..., Any]) -> None:
    names = [
        "a.html",
        "a.htm",
        "a.xml",
        "a.svg",
        "a",
        "a.txt",
        "a.md",
        "a.j2",
        "a.html.j2",
        "a.HTML",
        "a.jinja",
        "b/a.x",
    ]
    made = Templates(jinja2.DictLoader(dict.fromkeys(names, "{{ text }}")))
    for name in names:
        assert show(name, made, text="<script>'\"&").text == "&lt;script&gt;&#39;&#34;&amp;", name


def test_what_is_named_as_plain_text_is_not_escaped(show: Callable[..., Any]) -> None:
    plain, escaped = ["a.txt", "a.txt.j2", "a.md"], ["a.html", "a", "txt", "a.txt.html"]
    made = Templates(jinja2.DictLoader(dict.fromkeys(plain + escaped, "{{ text }}")), unescaped=[".txt", ".md"])
    assert [show(name, made, text="<b>").text for name in plain] == ["<b>"] * 3
    assert [show(name, made, text="<b>").text for name in escaped] == ["&lt;b&gt;"] * 4


def test_the_type_is_that_of_the_suffix(show: Callable[..., Any]) -> None:
    types = {
        "a.html": "text/html; charset=utf-8",
        "a.html.j2": "text/html; charset=utf-8",
        "a.txt.jinja": "text/plain; charset=utf-8",
        "feed.atom": "application/atom+xml",
        "a.svg.jinja2": "image/svg+xml",
        "a.css": "text/css; charset=utf-8",
        "a": "text/plain; charset=utf-8",
        "html.d/a": "text/plain; charset=utf-8",
        "a.b-c": "text/plain; charset=utf-8",
    }
    made = Templates(jinja2.DictLoader(dict.fromkeys(types, "é")))
    for name, content_type in types.items():
        response = show(name, made)
        assert (response.headers["content-type"], response.content) == (content_type, "é".encode())


def test_data_in_a_script_cannot_end_it(show: Callable[..., Any]) -> None:
    text = show("script.html", data={"a": "</script><!--'&\u2028"}).text
    assert text == (
        "<script>let data = "
        r'{"a": "\u003c/script\u003e\u003c!--\u0027\u0026\u2028"}'
        "</script>"
    )


def test_a_name_that_nothing_gave_is_an_error(show: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    assert show("undefined.html").status_code == 500
    assert "'nobody_gave_this' is undefined" in caplog.text


def test_a_failure_shows_the_line_of_the_template(
    show: Callable[..., Any], caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    response = show("broken-at-run-time.html", zero=0)
    assert response.status_code == 500
    assert "broken-at-run-time" not in response.text
    assert f'File "{folder / "broken-at-run-time.html"}", line 3' in caplog.text


OUTSIDE = [
    "../secret.txt",
    "/../secret.txt",
    "parts/../../secret.txt",
    "parts/../page.html",
    "..\\secret.txt",
    "\x00",
    ".",
    "parts",
    "x",
]


def test_a_name_cannot_lead_out_of_the_folder(show: Callable[..., Any], folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    for name in ("", *OUTSIDE):
        response = show(name)
        assert response.status_code == 500
        assert "secret" not in response.text


def test_a_name_cannot_lead_out_of_the_folder_while_it_is_read_again(folder: Path) -> None:
    """Nothing is served: an event loop must not read files, and in debug mode it does."""
    (folder.parent / "secret.txt").write_text("secret")
    templates = Templates(folder, auto_reload=True)
    for name in ("", *OUTSIDE):
        with pytest.raises((jinja2.TemplateNotFound, OSError, ValueError)):
            templates.render(name)


def test_an_absolute_name_is_one_in_the_folder(show: Callable[..., Any], templates: Templates) -> None:
    assert show("/page.html", text="").text == show("./page.html", text="").text == "<p></p>"
    assert templates.environment.get_template("parts//foot.html").name == "parts/foot.html"
    with pytest.raises(jinja2.TemplateNotFound):
        templates.render("/etc/passwd")


def test_the_many_names_of_one_template_leave_nothing_behind(folder: Path) -> None:
    """A name may come from a request. Nothing is served, so there is no cell."""
    templates = Templates(folder, enable_async=True)
    found = []
    for environment in (templates.environment, templates._async_environment):
        found += [environment.get_template("./" * number + "page.html") for number in range(100)]
        assert not environment.cache
    assert len(set(map(id, found))) == 2


def test_nothing_is_read_while_requests_are_served(show: Callable[..., Any], folder: Path) -> None:
    for name in PAGES:
        (folder / name).unlink()
    assert show("child.html", text="").status_code == 200


def test_functions_of_the_application_can_be_called(make_client: Any, cell: Cell, folder: Path) -> None:
    app = App()
    templates = app.templates(folder)
    asked: list[str] = []

    def token(request: Request) -> str:
        asked.append(request.path)
        return f"<{len(asked)}>"

    app.template_functions["token"] = token
    app.get("/functions")(cell.handler(lambda request: templates.render("functions.html", request)))
    app.get("/page")(cell.handler(lambda request: templates.render("page.html", request, text="")))
    outer = App()
    outer.mount("/inner", app)
    outer.template_functions.update(token=lambda request: "outer", outer=lambda request: "outer")
    client = make_client(outer)
    assert client.get("/inner/page").status_code == 200
    assert asked == []  # nobody used it
    assert client.get("/inner/functions").text == "&lt;1&gt; &lt;2&gt;"
    del app.template_functions["token"]
    assert client.get("/inner/functions").text == "outer outer"


def test_context_processors_give_names(app: App, client: Client, cell: Cell, folder: Path) -> None:
    templates = Templates(folder, globals={"site": "ambi", "text": "global"})

    @app.middleware
    def who(request: Request) -> Middleware:
        request.state.user = request.query.get("user")
        yield

    @templates.context
    def user(request: Request) -> dict[str, object]:
        return {"user": request.state.user, "text": "processor"}

    app.get("/a")(cell.handler(lambda request: templates.render("known.html", request)))
    app.get("/b")(cell.handler(lambda request: templates.render("known.html", request, text="value")))
    assert client.get("/a?user=ann").text == "ann processor ambi"
    assert client.get("/b?user=bob").text == "bob value ambi"
    assert user.__name__ == "user"


def test_a_template_that_belongs_to_no_request_knows_its_values_alone(folder: Path) -> None:
    """Nothing is served, so there is no cell."""
    templates = Templates(folder, unescaped=[".txt"])
    templates.context(lambda request: {"text": "of the request"})
    assert templates.render("mail.txt", text="Ann <ann@example.test>").body == b"Dear Ann <ann@example.test>"


# --- streams ---


def test_a_page_is_sent_while_it_is_rendered(app: App, client: Client, cell: Cell, folder: Path) -> None:
    templates, closed = Templates(folder, chunk_chars=0), []

    def rows() -> Iterator[str]:
        try:
            yield "<a>"
            yield "b"
        finally:
            closed.append(True)

    app.get("/")(cell.handler(lambda request: templates.stream("rows.html", request, rows=rows())))
    response = client.get("/")
    assert response.text == "<li>&lt;a&gt;</li><li>b</li>"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert closed == [True]


def test_small_pieces_are_sent_together(templates: Templates) -> None:
    """It is told of the body, which is the same in every cell."""
    stream = templates.stream("rows.html", rows=["x" * 991] * 10)
    parts: list[str] = list(stream.body)  # type: ignore[arg-type]
    assert [len(part) > 4096 for part in parts[:-1]] == [True] * (len(parts) - 1)
    assert len(parts) == 3
    assert "".join(parts) == f"<li>{'x' * 991}</li>" * 10


def test_a_failure_before_the_first_part_is_a_clean_500(
    app: App, client: Client, cell: Cell, templates: Templates
) -> None:
    app.get("/")(cell.handler(lambda request: templates.stream("undefined.html", request)))
    assert client.get("/").status_code == 500


# --- templates that await ---


def test_a_template_awaits_and_iterates(app: App, client: Client, folder: Path) -> None:
    templates = Templates(folder, enable_async=True, chunk_chars=0)

    async def rows() -> AsyncIterator[str]:
        for row in ("<a>", "b"):
            await anyio.sleep(0)
            yield row

    @app.get("/whole")
    async def whole(request: Request) -> Any:
        return await templates.render_async("rows.html", request, rows=rows())

    @app.get("/streamed")
    async def streamed(request: Request) -> Any:
        return templates.stream_async("rows.html", request, rows=rows())

    @app.get("/sync")
    def sync(request: Request) -> Any:
        return templates.render("rows.html", request, rows=["<a>", "b"])

    for path in ("/whole", "/streamed", "/sync"):
        response = client.get(path)
        assert response.text == "<li>&lt;a&gt;</li><li>b</li>", path
        assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_small_pieces_of_a_template_that_awaits_are_sent_together(folder: Path) -> None:
    """It is told of the body, which is the same in every cell."""
    templates = Templates(folder, enable_async=True)

    async def parts_of(rows: list[str]) -> list[str]:
        return [part async for part in templates.stream_async("rows.html", rows=rows).body]  # type: ignore[union-attr,misc]

    parts = anyio.run(parts_of, ["x" * 991] * 10)
    assert (len(parts), "".join(parts)) == (3, f"<li>{'x' * 991}</li>" * 10)
    assert anyio.run(parts_of, []) == []


def test_awaiting_has_to_be_asked_for(templates: Templates) -> None:
    """Nothing is served, so there is no cell."""
    with pytest.raises(RuntimeError, match="enable_async=True"):
        templates.stream_async("page.html", text="")
    with pytest.raises(RuntimeError, match="enable_async=True"):
        anyio.run(templates.render_async, "page.html")


# --- putting together ---


def test_mistakes_are_found_at_once(folder: Path) -> None:
    """Nothing is served, so there is no cell."""
    (folder / "parts" / "broken.html").write_text("one\n{% if %}\n")
    file = folder / "parts" / "broken.html"
    with pytest.raises(ConfigurationError, match="the template 'parts/broken.html' cannot be compiled") as found:
        App().templates(folder)
    assert f"({file}:2)" in str(found.value)
    file.write_text("{{ 1|money }}")
    with pytest.raises(ConfigurationError, match=r"No filter named 'money'.*give filters .* to filters="):
        Templates(folder)
    made = Templates(folder, filters={"money": lambda value: f"{value} €"}, tests={"odd_one": bool})
    assert made.render("parts/broken.html").body == "1 €".encode()


def test_what_is_no_template_is_passed_over(folder: Path) -> None:
    """Nothing is served, so there is no cell."""
    (folder / "logo.png").write_bytes(b"\x89PNG\xff\xfe")
    (folder / ".page.html.swp").write_text("{% if %}")
    (folder / ".git").mkdir()
    (folder / ".git" / "x").write_text("{% if %}")
    templates = Templates(folder)
    assert templates.environment.list_templates() == sorted(PAGES)
    assert "Templates of" in repr(templates)


def test_in_debug_mode_a_template_is_read_again(folder: Path) -> None:
    """Nothing is served: an event loop must not read files, and in debug mode it does."""
    for app, then in ((App(debug=True), b"new"), (App(), b"<p>old</p>")):
        (folder / "page.html").write_text("<p>{{ text }}</p>")
        templates = app.templates(folder)
        assert templates.render("page.html", text="old").body == b"<p>old</p>"
        (folder / "page.html").write_text("new")
        os.utime(folder / "page.html", (time.time() + 10,) * 2)
        assert templates.render("page.html", text="old").body == then
        (folder / "later.html").write_text("later")
        if app.debug:
            assert templates.render("later.html").body == b"later"
        (folder / "later.html").unlink()
    assert App(debug=True).templates(folder, auto_reload=False).environment.auto_reload is False


def test_templates_come_from_several_folders_and_from_packages(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is served, so there is no cell."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "page.html").write_text("first")
    templates = Templates([tmp_path / "first", str(folder)])
    assert templates.render("page.html").body == b"first"
    assert templates.render("mail.txt", text="Ann").body == b"Dear Ann"
    package = tmp_path / "shop_of_templates"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for inside in ("templates", "pages"):
        (package / inside).mkdir()
        (package / inside / "a.html").write_text(inside)
    monkeypatch.syspath_prepend(tmp_path)
    assert Templates("shop_of_templates:").render("a.html").body == b"templates"
    assert Templates("shop_of_templates:pages").render("a.html").body == b"pages"
    monkeypatch.chdir(tmp_path)
    assert App().templates().render("mail.txt", text="Ann").body == b"Dear Ann"


def test_a_loader_that_cannot_tell_what_it_has_is_asked_when_needed() -> None:
    """Nothing is served, so there is no cell."""
    templates = Templates(jinja2.FunctionLoader(lambda name: f"{name}: {{{{ text }}}}"))
    assert templates.render("a", text="<").body == b"a: &lt;"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Templates("nowhere"), "the folder of templates 'nowhere' does not exist .looked for"),
        (lambda: Templates("ambi:nowhere"), "the templates 'ambi:nowhere' are not there"),
        (lambda: Templates("no_such_package:"), "the templates 'no_such_package:' are not there"),
        (lambda: Templates(jinja2.DictLoader({}), autoescape=False), "no option 'autoescape'"),  # type: ignore[call-arg]
        (lambda: Templates(jinja2.DictLoader({}), environment={"autoescape": False}), "decided by Templates"),
        (lambda: Templates(jinja2.DictLoader({}), unescaped=".txt"), "unescaped= takes a list"),
        (lambda: Templates(jinja2.DictLoader({}), unescaped=["txt"]), "begin with a dot, as '.txt'"),
        (lambda: Templates(jinja2.DictLoader({}), unescaped=["."]), "begin with a dot, as '.txt'"),
    ],
)
def test_wrong_use_is_told_at_once(make: Callable[[], object], message: str) -> None:
    """Nothing is served, so there is no cell."""
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_context_processor_does_not_wait(templates: Templates) -> None:
    """Nothing is served, so there is no cell."""

    async def waits(request: Request) -> dict[str, object]:
        return {}

    def yields(request: Request) -> Iterator[int]:
        yield 1

    async def both(request: Request) -> AsyncIterator[int]:
        yield 1

    for function in (waits, yields, both):
        with pytest.raises(ConfigurationError, match="test_templates.*a context processor is a plain `def`"):
            templates.context(function)  # type: ignore[type-var]


def test_further_options_of_jinja_are_passed_on() -> None:
    """Nothing is served, so there is no cell."""
    loader = jinja2.DictLoader({"a": "{% if true %}\na\n{% endif %}\n{{ nothing }}"})
    templates = Templates(loader, environment={"trim_blocks": True, "undefined": jinja2.Undefined})
    assert templates.render("a").body == b"a\n"


def test_without_jinja_it_is_told_at_once_what_to_install() -> None:
    """Nothing is served, so there is no cell."""
    printed = run_python("""
import sys
sys.modules["jinja2"] = None
from ambi import App
try:
    App().templates("templates")
except ImportError as exc:
    print(exc)
""")
    assert printed.strip() == "templates need Jinja2: pip install 'ambi[templates]'"


def test_an_application_without_templates_does_not_load_them() -> None:
    """Nothing is served, so there is no cell."""
    printed = run_python(
        "import sys, ambi; ambi.App(); print('jinja2' in sys.modules, 'ambi.features.auth' in sys.modules)"
    )
    assert printed.split() == ["False", "False"]
    assert "jinja2" in sys.modules
