"""Django in one file: settings, urls and views, with both of its handlers; sessions in signed cookies, a csrf form."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    INSTALLED_APPS=["django.contrib.sessions"],
    LOGGING={"version": 1, "disable_existing_loggers": False},
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="dev",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.handlers.asgi import ASGIRequest  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import (  # noqa: E402
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect  # noqa: E402
from django.template import engines  # noqa: E402
from django.urls import path, reverse  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.decorators.http import require_http_methods, require_POST, require_safe  # noqa: E402

REPORT = Path(__file__).parent / "report.txt"
INDEX = """<!doctype html>
<title>Django</title>
<a href="{% url 'login' %}">Log in</a> <a href="{% url 'report' %}">Report</a>
"""
LOGIN = """<form method="post">{% csrf_token %}<input name="name"><button>Log in</button></form>"""

items: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "Chair", "price": 42}}
left: dict[bool, list[str]] = {False: [], True: []}  # of either handler


def render(source: str, request: HttpRequest, **values: Any) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(source).render(values, request))


def index(request: HttpRequest) -> HttpResponse:
    return render(INDEX, request)


@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        request.session["name"] = request.POST["name"]
        return redirect("me")
    return render(LOGIN, request)


def me(request: HttpRequest) -> HttpResponse:
    if "name" not in request.session:
        return redirect("login")
    return render("Hello {{ name }}", request, name=request.session["name"])


def logout(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return redirect("index")


@csrf_exempt
@require_http_methods(["GET", "POST"])
def api_items(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return JsonResponse({"items": list(items.values())})
    try:
        data = json.loads(request.body)
    except ValueError:
        return JsonResponse({"error": "not JSON"}, status=400)
    if "name" not in data:
        return JsonResponse({"error": "name is required"}, status=422)
    number = max(items) + 1
    items[number] = {"id": number, "name": data["name"], "price": data.get("price", 0)}
    return JsonResponse(items[number], status=201, headers={"Location": reverse("item", args=[number])})


@csrf_exempt
@require_http_methods(["GET", "DELETE"])
def api_item(request: HttpRequest, number: int) -> HttpResponse:
    if number not in items:
        raise Http404("no such item")
    if request.method == "DELETE":
        del items[number]
        return HttpResponse(status=204)
    return JsonResponse(items[number])


@csrf_exempt
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse(
        {"name": file.name, "size": file.size, "sha256": digest.hexdigest(), "note": request.POST["note"]}
    )


@csrf_exempt
def unread(request: HttpRequest) -> HttpResponse:
    return HttpResponse("not interested")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def rows() -> Iterator[str]:
        for number in range(4):
            yield f"row {number} of {request.path}\n"
            time.sleep(0.02)

    async def rows_async() -> AsyncIterator[str]:
        for number in range(4):
            yield f"row {number} of {request.path}\n"
            await asyncio.sleep(0.02)

    return StreamingHttpResponse(rows_async() if is_asgi(request) else rows(), content_type="text/plain")


def endless(request: HttpRequest) -> StreamingHttpResponse:
    def ticks() -> Iterator[bytes]:
        try:
            while True:
                yield b"tick" * 256
                time.sleep(0.01)
        finally:
            left[is_asgi(request)].append("endless")

    async def ticks_async() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick" * 256
                await asyncio.sleep(0.01)
        finally:
            left[is_asgi(request)].append("endless")

    return StreamingHttpResponse(ticks_async() if is_asgi(request) else ticks(), content_type="text/plain")


def is_asgi(request: HttpRequest) -> bool:
    return isinstance(request, ASGIRequest)


def who_left(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"left": left[is_asgi(request)]})


def old(request: HttpRequest) -> HttpResponse:
    return redirect(request.build_absolute_uri(reverse("index")), permanent=True)


@require_safe
def report(request: HttpRequest) -> HttpResponse:
    return FileResponse(REPORT.open("rb"))


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("two cookies")
    response.set_cookie("first", "1", path=reverse("index"))
    response.set_cookie("second", "2", httponly=True)
    return response


@csrf_exempt
def echo(request: HttpRequest, rest: str) -> HttpResponse:
    return JsonResponse(
        {
            "method": request.method,
            "rest": rest,
            "path": request.path,
            "path_info": request.path_info,
            "url": request.build_absolute_uri(),
            "scheme": request.scheme,
            "query": dict(request.GET.lists()),
            "client": request.META["REMOTE_ADDR"],
            "script_name": request.META["SCRIPT_NAME"],
            "body": request.body.decode(),
            "accept": request.headers.get("Accept", "").replace(" ", ""),  # servers join fields as they like
            "x": request.headers.get("X-Test"),
        }
    )


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


async def a_view_that_waits(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0.01)
    return HttpResponse(f"waited at {reverse('index')}")


urlpatterns = [
    path("", index, name="index"),
    path("login", login, name="login"),
    path("me", me, name="me"),
    path("logout", logout),
    path("api/items", api_items),
    path("api/items/<int:number>", api_item, name="item"),
    path("upload", upload),
    path("unread", unread),
    path("stream", stream),
    path("endless", endless),
    path("left", who_left),
    path("old", old),
    path("report", report, name="report"),
    path("cookies", cookies),
    path("echo/<path:rest>", echo),
    path("boom", boom),
    path("waiting", a_view_that_waits),
]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
