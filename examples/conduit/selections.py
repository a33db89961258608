"""The statements that handlers of both colours send, and what is shown of their rows.

However many articles are on a page, it takes three statements: a row for each with its author and what the viewer has
to do with it, the tags of all of them, and how many there are in all.
"""

from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Row, Select, exists, func, or_, select
from sqlalchemy.orm import contains_eager, selectinload

from .contract import NOTHING
from .errors import Refused
from .models import Article, Comment, Favorite, Follow, FormerSlug, User
from .shapes import Filters, Preview, Profile, ShownComment, WholeArticle

ArticleRow: TypeAlias = Row[Article, bool, int, bool]
FEED = "feed"
"""What stands where a slug would: no article has that one."""
CommentRow: TypeAlias = Row[Comment, bool]


def article_by(slug: str, viewer: int | None) -> Select[Article, bool, int, bool]:
    return articles_for(viewer).where(Article.id == id_by(slug).scalar_subquery())


def id_by(slug: str) -> Select[int]:
    """Select the article that is called so, or else the one that was."""
    former = select(FormerSlug.article_id).where(FormerSlug.slug == slug)
    called = or_(Article.slug == slug, Article.id.in_(former))
    return select(Article.id).where(called).order_by((Article.slug == slug).desc()).limit(1)


def articles_for(viewer: int | None) -> Select[Article, bool, int, bool]:
    """Select articles, newest first: whether the viewer likes each, how many do, and whether they follow its author."""
    likes = select(func.count()).where(Favorite.article_id == Article.id).scalar_subquery()
    liked = exists().where(Favorite.article_id == Article.id, Favorite.user_id == viewer)
    followed = exists().where(Follow.followed_id == Article.author_id, Follow.follower_id == viewer)
    return (
        select(Article, liked, likes, followed)
        .join(Article.author)
        .options(contains_eager(Article.author), selectinload(Article.tags))
        .order_by(Article.created_at.desc(), Article.id.desc())
    )


def ids_of(filters: Filters) -> Select[int]:
    """Select the articles that pass all filters."""
    ids = select(Article.id)
    if filters.tag:
        ids = ids.where(Article.tags.any(name=filters.tag))
    if filters.author:
        ids = ids.where(Article.author.has(username=filters.author))
    if filters.favorited:
        likes = select(Favorite.article_id).join(User).where(User.username == filters.favorited)
        ids = ids.where(Article.id.in_(likes))
    return ids


def ids_of_feed(reader: int) -> Select[int]:
    """Select the articles by those whom a reader follows."""
    followed = select(Follow.followed_id).where(Follow.follower_id == reader)
    return select(Article.id).where(Article.author_id.in_(followed))


def comments_on(article_id: int, viewer: int | None) -> Select[Comment, bool]:
    """Select the comments on an article, newest first, and whether the viewer follows who wrote each."""
    followed = exists().where(Follow.followed_id == Comment.author_id, Follow.follower_id == viewer)
    return (
        select(Comment, followed)
        .where(Comment.article_id == article_id)
        .join(Comment.author)
        .options(contains_eager(Comment.author))
        .order_by(Comment.created_at.desc(), Comment.id.desc())
    )


def found(row: ArticleRow | None) -> ArticleRow:
    if row is None:
        raise Refused(404, {"article": "not found"})
    return row


def written_by(me: User, article: Article) -> Article:
    if article.author_id != me.id:
        raise Refused(403, {"article": "forbidden"})
    return article


def read_slug(text: str) -> str:
    """Read a slug in a path. "feed" is none: other methods than GET have nothing there."""
    if text == FEED or "\0" in text:
        raise ValueError(text)
    return text


# --- what is shown ---


def written(moment: datetime) -> str:
    """Write a moment in UTC as JavaScript does: `2016-02-18T03:22:56.637Z`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def profile_of(user: User, following: bool) -> Profile:
    return Profile(user.username, user.bio or NOTHING, user.image or NOTHING, following)


def whole(article: Article, favorited: bool = False, favorites_count: int = 0, following: bool = False) -> WholeArticle:
    return WholeArticle(
        article.slug, article.title, article.description, [tag.name for tag in article.tags],
        written(article.created_at), written(article.updated_at), favorited, favorites_count,
        profile_of(article.author, following), article.body,
    )  # fmt: skip


def preview(row: ArticleRow) -> Preview:
    article, favorited, favorites_count, following = row
    return Preview(
        article.slug, article.title, article.description, [tag.name for tag in article.tags],
        written(article.created_at), written(article.updated_at), favorited, favorites_count,
        profile_of(article.author, following),
    )  # fmt: skip


def shown(comment: Comment, following: bool = False) -> ShownComment:
    author = profile_of(comment.author, following)
    return ShownComment(comment.id, written(comment.created_at), written(comment.updated_at), comment.body, author)
