"""Signing up, logging in and out, and who is logged in."""

from typing import Annotated

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ambi import Redirect, Request, Response, Router
from ambi.features.auth import LoginRequired, hash_password, needs_rehash, safe_redirect, verify_password

from .database import Database, transaction
from .forms import Login, SignUp, key_of
from .models import User
from .pages import Answer, templates, visitor

accounts = Router()


def current_user(request: Request) -> User | None:
    """Find who is logged in; nobody, where the account has gone since."""
    known = visitor(request)
    return transaction.value_of(request).get(User, known.id) if known else None


logged_in = LoginRequired(current_user, login="log_in")
Member = Annotated[User, logged_in]
"""A handler that asks for one is for those who are logged in, and stands inside of the transaction."""


def is_attempt(request: Request) -> bool:
    """Tell whether a request costs a password's hash, and may be one of many guesses."""
    route = request.route
    return route is not None and route.handler in (try_log_in, sign_up)


# The two forms wait for nothing, so they need no thread of an ASGI server.


@accounts.get("/signup", name="sign_up", blocking=False)
def sign_up_form(request: Request) -> Response:
    return templates.render("sign_up.html", request, form=SignUp())


@accounts.get("/login", name="log_in", blocking=False)
def log_in_form(request: Request) -> Response:
    return templates.render("log_in.html", request, form=Login())


@accounts.post("/signup", name="try_sign_up")
def sign_up(request: Request, database: Database) -> Answer:
    form = SignUp.read(request.form)
    user = None if form.errors else _new_user(database, form)
    if user is None:
        return templates.render("sign_up.html", request, form=form), 422
    return _let_in(request, user, f"Welcome, {user.name}!")


@accounts.post("/login")
def try_log_in(request: Request, database: Database) -> Answer:
    form = Login.read(request.form)
    user = database.scalar(select(User).where(User.key == key_of(form.name)))
    # A user who is not there takes as long as a wrong password, and is told the same.
    if not verify_password(form.password, user.password_hash if user else None) or user is None:
        form.errors["password"] = "Name and password do not match."  # noqa: S105  # what is said of it
        return templates.render("log_in.html", request, form=form), 422
    if needs_rehash(user.password_hash):
        user.password_hash = hash_password(form.password)
    return _let_in(request, user, f"Hello again, {user.name}.")


@accounts.post("/logout")
def log_out(request: Request) -> Response:
    request.session.clear()
    request.session.flash("You are logged out.")
    return Redirect(request.url_for("index"))


def _new_user(database: Session, form: SignUp) -> User | None:
    """Add a user; None where somebody has the name."""
    user = User(name=form.name, key=key_of(form.name), password_hash=hash_password(form.password))
    database.add(user)
    try:
        database.flush()
    except IntegrityError:  # asking beforehand would leave a moment for somebody else
        form.errors["name"] = "Somebody has this name already."
        return None
    return user


def _let_in(request: Request, user: User, greeting: str) -> Response:
    """Log a user in and send the browser to where it was on its way to, if that is here."""
    request.session.regenerate()  # whoever knew the session of before knows nothing of this one
    request.session["user"] = [user.id, user.name]
    request.session.flash(greeting, "success")
    return safe_redirect(request, request.query.get("next"), fallback=request.url_for("index"))
