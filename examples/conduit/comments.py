"""What is said of an article."""

from typing import Annotated

from msgspec import Meta
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ambi import Router
from ambi.features.typed import Status

from .contract import COMMENTED
from .errors import BODY, Refused, refuses
from .models import Comment, now
from .security import AsyncMe, Viewer
from .selections import comments_on, id_by, shown
from .shapes import CommentAnswer, CommentsAnswer, NewCommentRequest

CommentId = Annotated[int, Meta(ge=1, le=2**31 - 1)]

comments = Router(tags=["Comments"])


@comments.get("/articles/{slug:slug}/comments", responses=refuses(401, 404))
async def list_comments(slug: str, viewer: Viewer, database: AsyncSession) -> CommentsAnswer:
    """List the comments on an article, the newest first."""
    article_id = await id_of(slug, database)
    rows = await database.execute(comments_on(article_id, viewer))
    return CommentsAnswer([shown(*row) for row in rows])


@comments.post("/articles/{slug:slug}/comments", responses=refuses(401, 404, *BODY))
async def comment(
    slug: str, me: AsyncMe, body: NewCommentRequest, database: AsyncSession
) -> Annotated[CommentAnswer, Status(COMMENTED)]:
    """Comment on an article."""
    moment = now()
    said = Comment(body=body.comment.body, created_at=moment, updated_at=moment, author=me)
    said.article_id = await id_of(slug, database)
    database.add(said)
    await database.flush()
    return CommentAnswer(shown(said))


@comments.delete("/articles/{slug:slug}/comments/{id}", responses=refuses(401, 403, 404, 422))
async def remove_comment(slug: str, id: CommentId, me: AsyncMe, database: AsyncSession) -> None:
    """Delete a comment of one's own."""
    article_id = await id_of(slug, database)
    query = select(Comment.author_id).where(Comment.id == id, Comment.article_id == article_id)
    author_id = await database.scalar(query)
    if author_id is None:
        raise Refused(404, {"comment": "not found"})
    if author_id != me.id:
        raise Refused(403, {"comment": "forbidden"})
    await database.execute(delete(Comment).where(Comment.id == id))


async def id_of(slug: str, database: AsyncSession) -> int:
    article_id = await database.scalar(id_by(slug))
    if article_id is None:
        raise Refused(404, {"article": "not found"})
    return article_id
