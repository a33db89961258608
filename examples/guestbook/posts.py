"""Writing, reading, changing and deleting posts."""

from secrets import token_hex

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ambi import HTTPError, Redirect, Request, Response, Router

from .accounts import Member
from .database import Database, transaction, when_committed, when_rolled_back
from .forms import Entry, ticket_of
from .images import MAX_BYTES, Images
from .models import Post, User, now
from .pages import Answer, templates

MAX_FORM_BYTES = MAX_BYTES + 256 * 1024  # a picture and the fields around it

posts = Router(middleware=[transaction])


@posts.get("/")
def index(request: Request, database: Database) -> Response:
    size: int = request.state.settings.posts_on_a_page
    total = database.scalar(select(func.count()).select_from(Post)) or 0
    pages = max(1, -(-total // size))
    asked = request.query.get("page", "1")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    if not 1 <= page <= pages:
        raise HTTPError(404)
    newest_first = select(Post).order_by(Post.id.desc()).limit(size).offset((page - 1) * size)
    found = database.scalars(newest_first).all()
    return templates.render("index.html", request, posts=found, page=page, pages=pages, total=total)


@posts.get("/posts/new")
def new_post(request: Request, author: Member) -> Response:
    return templates.render("write.html", request, form=Entry(), ticket=token_hex(16), post=None)


@posts.post("/posts/new", max_body_bytes=MAX_FORM_BYTES)
def create_post(request: Request, author: Member, database: Database) -> Answer:
    form, ticket = Entry.read(request.form), ticket_of(request.form)
    if form.errors:
        return templates.render("write.html", request, form=form, ticket=ticket, post=None), 422
    # A form that is sent once more, by a double click or with the back button, is the same post. Requests of one
    # session that may change something wait for each other, so there is nobody between the question and the answer.
    post = database.scalar(select(Post).where(Post.author_id == author.id, Post.ticket == ticket))
    if post is not None:
        request.session.flash("You have sent this already.")
        return Redirect(request.url_for("show_post", id=post.id))
    post = Post(author_id=author.id, ticket=ticket, text=form.text)
    database.add(post)
    _set_image(request, database, post, form)
    database.flush()
    request.session.flash("Your post is there for all to see.", "success")
    return Redirect(request.url_for("index"))


@posts.get("/posts/{id}")
def show_post(request: Request, id: int, database: Database) -> Response:
    return templates.render("post.html", request, post=_post(database, id))


@posts.get("/posts/{id}/edit")
def edit_post(request: Request, id: int, author: Member, database: Database) -> Response:
    post = _own_post(database, id, author)
    return templates.render("write.html", request, form=Entry(text=post.text, alt=post.alt), post=post, ticket=None)


@posts.post("/posts/{id}/edit", max_body_bytes=MAX_FORM_BYTES)
def change_post(request: Request, id: int, author: Member, database: Database) -> Answer:
    post, form = _own_post(database, id, author), Entry.read(request.form)
    if form.errors:
        return templates.render("write.html", request, form=form, post=post, ticket=None), 422
    post.text, post.changed_at = form.text, now()
    _set_image(request, database, post, form)
    database.flush()
    request.session.flash("Your change is saved.", "success")
    return Redirect(request.url_for("show_post", id=post.id))


@posts.get("/posts/{id}/delete")
def ask_delete(request: Request, id: int, author: Member, database: Database) -> Response:
    return templates.render("delete.html", request, post=_own_post(database, id, author))


@posts.post("/posts/{id}/delete")
def delete_post(request: Request, id: int, author: Member, database: Database) -> Response:
    post = _own_post(database, id, author)
    database.delete(post)
    _drop_image(request, database, post)
    database.flush()
    request.session.flash("Your post is gone.")
    return Redirect(request.url_for("index"))


def _post(database: Session, id: int) -> Post:
    """Find a post. Raises: HTTPError 404."""
    post = database.get(Post, id) if id < 2**63 else None
    if post is None:
        raise HTTPError(404)
    return post


def _own_post(database: Session, id: int, author: User) -> Post:
    """Find a post of this author. Raises: HTTPError 404, or 403: that there is one can be seen by all."""
    post = _post(database, id)
    if post.author_id != author.id:
        raise HTTPError(403, "This post is somebody else's.")
    return post


def _set_image(request: Request, database: Session, post: Post, form: Entry) -> None:
    """Let a post have the picture that its form says, and its description."""
    images: Images = request.state.images
    if form.image is not None or form.without_image:
        _drop_image(request, database, post)
    if form.image is not None:
        name = post.image = images.keep(form.image)
        when_rolled_back(database, lambda: images.remove(name))
    post.alt = form.alt if post.image else ""


def _drop_image(request: Request, database: Session, post: Post) -> None:
    """Take away a post's picture, for good as soon as that is committed."""
    images: Images = request.state.images
    if name := post.image:
        when_committed(database, lambda: images.remove(name))
    post.image = None
