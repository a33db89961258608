"""What articles are about."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ambi import Router

from .errors import refuses
from .models import Tag
from .shapes import TagsAnswer

MOST_TAGS = 1000

tags = Router(tags=["Tags"])


@tags.get("/tags", responses=refuses())
async def list_tags(database: AsyncSession) -> TagsAnswer:
    """List tags: those of most articles first, then those used last."""
    query = select(Tag.name).group_by(Tag.name).order_by(func.count().desc(), func.max(Tag.article_id).desc(), Tag.name)
    return TagsAnswer(list(await database.scalars(query.limit(MOST_TAGS))))
