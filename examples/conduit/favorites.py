"""What one likes."""

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from ambi import Router

from .database import add_once
from .errors import refuses
from .models import Favorite
from .security import Me
from .selections import article_by, found, whole
from .shapes import ArticleAnswer

favorites = Router(tags=["Favorites"])


@favorites.post("/articles/{slug:slug}/favorite", responses=refuses(401, 404))
def like(slug: str, me: Me, database: Session) -> ArticleAnswer:
    """Favorite an article."""
    query = article_by(slug, me.id)
    article = found(database.execute(query).one_or_none())[0]
    add_once(database, insert(Favorite).values(user_id=me.id, article_id=article.id))
    return ArticleAnswer(whole(*database.execute(query).one()))


@favorites.delete("/articles/{slug:slug}/favorite", responses=refuses(401, 404))
def unlike(slug: str, me: Me, database: Session) -> ArticleAnswer:
    """Favorite an article no more."""
    query = article_by(slug, me.id)
    article = found(database.execute(query).one_or_none())[0]
    database.execute(delete(Favorite).where(Favorite.user_id == me.id, Favorite.article_id == article.id))
    return ArticleAnswer(whole(*database.execute(query).one()))
