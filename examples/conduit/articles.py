"""Articles: lists, the feed, and writing."""

import re
import secrets
import unicodedata
from typing import Annotated

from msgspec import UNSET
from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from ambi import Router
from ambi.features.typed import Query, Status

from .errors import BODY, refuses
from .models import Article, FormerSlug, Tag, later_than, now
from .security import AsyncMe, UserId, Viewer
from .selections import FEED, article_by, articles_for, found, ids_of, ids_of_feed, preview, whole, written_by
from .shapes import (
    ArticleAnswer,
    ArticleChangesRequest,
    ArticlesAnswer,
    Filters,
    NewArticleRequest,
    Page,
)

MOST_ON_A_PAGE = 100
LAST_OFFSET = 10**9
SLUG_CHARACTERS = 80
"""Of the title's; a number behind it makes it the only one of its kind."""

articles = Router(tags=["Articles"])


@articles.get("/articles", responses=refuses(401, 422))
async def list_articles(filters: Annotated[Filters, Query()], viewer: Viewer, database: AsyncSession) -> ArticlesAnswer:
    """List articles, the newest first."""
    return await page_of(ids_of(filters), filters, viewer, database)


@articles.get("/articles/feed", responses=refuses(401, 422))
async def feed(page: Annotated[Page, Query()], reader: UserId, database: AsyncSession) -> ArticlesAnswer:
    """List what those have written whom one follows, the newest first."""
    return await page_of(ids_of_feed(reader), page, reader, database)


@articles.get("/articles/{slug:slug}", responses=refuses(401, 404))
async def show_article(slug: str, viewer: Viewer, database: AsyncSession) -> ArticleAnswer:
    """Get an article."""
    row = found((await database.execute(article_by(slug, viewer))).one_or_none())
    return ArticleAnswer(whole(*row))


@articles.post("/articles", responses=refuses(401, *BODY))
async def write(me: AsyncMe, body: NewArticleRequest, database: AsyncSession) -> Annotated[ArticleAnswer, Status(201)]:
    """Write an article."""
    new = body.article
    article = Article(
        title=new.title, description=new.description, body=new.body, author=me, tags=tags_of(new.tag_list)
    )
    article.updated_at = article.created_at = now()
    await save_under_slug(article, slug_of(new.title), database)
    return ArticleAnswer(whole(article))


@articles.put("/articles/{slug:slug}", responses=refuses(401, 403, 404, *BODY))
async def change(slug: str, me: AsyncMe, body: ArticleChangesRequest, database: AsyncSession) -> ArticleAnswer:
    """Change an article of one's own: what is given. Another title makes another slug; the old one will do as well."""
    article = written_by(me, found((await database.execute(article_by(slug, me.id))).one_or_none())[0])
    changes = body.article
    article.updated_at = later_than(article.updated_at)
    if changes.description is not UNSET:
        article.description = changes.description
    if changes.body is not UNSET:
        article.body = changes.body
    if changes.tag_list is not UNSET:
        kept = {tag.name: tag for tag in article.tags}
        article.tags = [kept.get(tag.name, tag) for tag in tags_of(changes.tag_list)]
    if changes.title is not UNSET and changes.title != article.title:
        article.title = changes.title
        await database.merge(FormerSlug(slug=article.slug, article_id=article.id))
        await save_under_slug(article, slug_of(changes.title), database)
    return ArticleAnswer(whole(*(await database.execute(article_by(article.slug, me.id))).one()))


@articles.delete("/articles/{slug:slug}", responses=refuses(401, 403, 404))
async def remove(slug: str, me: AsyncMe, database: AsyncSession) -> None:
    """Delete an article of one's own, with all that is said of it."""
    article = written_by(me, found((await database.execute(article_by(slug, me.id))).one_or_none())[0])
    await database.execute(delete(Article).where(Article.id == article.id))


async def page_of(ids: Select[int], page: Page, viewer: int | None, database: AsyncSession) -> ArticlesAnswer:
    """Give a page of articles, and how many there are on all of them."""
    rows = await database.execute(
        articles_for(viewer)
        .where(Article.id.in_(ids))
        .options(defer(Article.body))
        .limit(min(page.limit, MOST_ON_A_PAGE))
        .offset(min(page.offset, LAST_OFFSET))
    )
    previews = [preview(row) for row in rows]
    count = await database.scalar(select(func.count()).select_from(ids.subquery()))
    return ArticlesAnswer(previews, count or 0)


def tags_of(names: list[str]) -> list[Tag]:
    """Make tags, each once, in the order of the alphabet; blank ones are none."""
    return [Tag(name=name) for name in sorted({name.strip() for name in names} - {""})]


def slug_of(title: str) -> str:
    """Make of a title what can stand in a URL: `How to train your dragon?` is `how-to-train-your-dragon`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_CHARACTERS].strip("-")
    return slug if slug and slug != FEED else f"article-{secrets.token_hex(4)}"


async def save_under_slug(article: Article, slug: str, database: AsyncSession) -> None:
    """Save an article, under another slug if there is one of that name."""
    try:
        async with database.begin_nested():
            article.slug = slug
            database.add(article)
    except IntegrityError:
        article.slug = f"{slug}-{secrets.token_hex(4)}"
        database.add(article)
        await database.flush()
