"""The newest posts, for feed readers: the same for everybody, so that caches may keep it. See: RFC 4287."""

from sqlalchemy import func, select

from ambi import Request, Response, Router
from ambi.features.caching import CacheControl

from .database import Database, transaction
from .models import Post
from .pages import templates

ENTRIES = 20
KEPT = {"cache-control": CacheControl(public=True, max_age=60)}

feed = Router(middleware=[transaction])


@feed.get("/feed.xml", name="feed")
def feed_xml(request: Request, database: Database) -> Response:
    """Ask what is newest, which is cheap, before all of it is read: readers come every few minutes."""
    last = select(func.max(Post.id), func.count(), func.max(Post.changed_at)).select_from(Post)
    newest, count, changed = database.execute(last).one()
    version = f"{newest or 0}-{count}-{changed.timestamp() if changed else 0:.6f}"
    unchanged = request.check_conditions(etag=version, headers=KEPT)
    if unchanged:
        return unchanged
    found = database.scalars(select(Post).order_by(Post.id.desc()).limit(ENTRIES)).all()
    page = templates.render("feed.xml", request, posts=found)
    page.headers.update({**KEPT, "content-type": "application/atom+xml; charset=utf-8"})
    page.etag = version
    return page
