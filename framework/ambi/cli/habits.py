"""What is typed out of habit: options of other command lines, names of other frameworks, and what they are here."""

from __future__ import annotations

import sys
from difflib import get_close_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

_OPTIONS = {
    "-A": "the application is named without an option: ambi {command} shop:app",
    "--app": "the application is named without an option: ambi {command} shop:app",
    "--factory": "a factory is called as it is: ambi {command} shop:create",
}
_OPTIONS_OF_RUN = {
    "-p": "did you mean --port?",
    "-b": "did you mean --host and --port?",
    "--bind": "did you mean --host and --port?",
    "--debug": "it is on, unless --no-debug",
    "--reload": "it is on, unless --no-reload",
    "--reload-dir": "did you mean --watch?",
    "-w": "for more than one process there are servers: gunicorn, uvicorn",
    "--workers": "for more than one process there are servers: gunicorn, uvicorn",
}
_NAMES = {
    ("Flask", "FastAPI", "Starlette", "Bottle", "Ambi", "Application"): "it is `App`",
    ("Blueprint", "APIRouter"): "it is `Router`",
    ("request",): "a handler takes it: `def home(request: Request)`",
    ("g", "current_app"): "it is `request.state`, or `request.app`; a handler takes `request: Request`",
    ("session",): "it is `request.session`, where `app.sessions(secret)` was called",
    ("jsonify", "JSONResponse"): "a handler returns the dict or the list itself; or `JSON(value)`",
    ("HTMLResponse",): "it is `HTML`",
    ("PlainTextResponse",): "a handler returns the str itself; or `Text(value)`",
    ("RedirectResponse", "redirect"): "it is `Redirect`, which a handler returns",
    ("StreamingResponse",): "a handler returns a generator; or `Stream(generator)`",
    ("FileResponse", "send_file", "send_from_directory"): "it is `File`, which a handler returns; or `app.static`",
    ("make_response",): "a handler returns a `Response`, or `(value, status, headers)`",
    ("abort", "HTTPException"): "it is `raise HTTPError(404)`",
    ("render_template", "Jinja2Templates"): "it is `app.templates(folder)`, then its `render(name, request, ...)`",
    ("url_for",): "it is `request.url_for`",
    ("Depends",): "what is asked for by its type is given by `app.provide(Type, make)`",
    ("TestClient",): "it is `ambi.testing.Client`",
}
_ATTRIBUTES = {
    ("before_request", "after_request", "teardown_request", "add_middleware", "wsgi_app"):
        "a function around all requests is an `@app.middleware`; what wraps a server's side is assigned to `app.wsgi`",
    ("errorhandler", "exception_handler", "add_exception_handler"): "it is `app.error`",
    ("register_blueprint", "include_router"): "it is `app.include`",
    ("test_client",): "it is `ambi.testing.Client(app)`",
    ("add_url_rule", "add_api_route", "add_route", "api_route"): "it is `app.route(path, methods=[...])(function)`",
    ("config",): "settings are an object of yours: `load_settings` of ambi.features.settings reads them",
    ("on_event", "before_first_request"): "it is `app.lifespan`",
    ("logger",): "it is `logging.getLogger(__name__)`",
}  # fmt: skip
_AT_LEAST = 0.6
"""How near to an option of ours a word has to be, of 1."""


def refuse_option(command: str, parser: ArgumentParser, word: str) -> int:
    """Say that a command has no such option or argument, and which may have been meant; the exit status.

    Args:
        command: its name; "" where the word stood in front of one.
        parser: that of the command.
        word: as it was typed.
    """
    option = word.partition("=")[0]
    name = f"ambi {command}".rstrip()
    if option[:1] != "-":
        told = f"{name}: {word!r} is one argument too many"
    else:
        told = f"{name}: there is no option {option}; {_meant(command, parser, option)}"
    sys.stderr.write(f"{told}\n{name} --help says what there is\n")
    return 2


def _meant(command: str, parser: ArgumentParser, option: str) -> str:
    if not command:
        return "a command comes first, as in: ambi run shop:app"
    more = _OPTIONS_OF_RUN if command == "run" else {}
    known = {**_OPTIONS, **more}.get(option)
    if known is not None:
        return known.format(command=command)
    ours = [flag for action in parser._actions for flag in action.option_strings if flag[:2] == "--"]
    near = get_close_matches(option, ours, 1, _AT_LEAST)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(ours)}"


def name_here(error: ImportError | AttributeError, name: str) -> str:
    """Say what that is here which other frameworks call so; "" where they do not.

    Args:
        error: what the user's code raised: it imported the name from ambi, or asked an application for it.
        name: the one that is not there.
    """
    known = _NAMES if isinstance(error, ImportError) else _ATTRIBUTES
    return next((here for names, here in known.items() if name in names), "")
