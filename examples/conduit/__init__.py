"""The backend of Conduit, a site of articles: RealWorld's API, by which frameworks are compared.

    gunicorn -k gthread --threads 8 examples.conduit:app
    uvicorn examples.conduit:app

What is where:

    app.py           the application, put together                 <- start here
    settings.py      what the environment says
    contract.py      where the two versions of RealWorld's contract differ
    database.py      engines, and one transaction a request         models.py    what is in the database
    shapes.py        what is sent and received                      errors.py    refusals, as the contract has them
    security.py      tokens, and who asks
    users.py         signing up and in, one's own account           } `def`, with a Session
    profiles.py      other people, following                        }
    favorites.py     what one likes                                 }
    articles.py      lists, the feed, writing                       } `async def`, with an AsyncSession
    comments.py      what is said of an article                     }
    tags.py          what articles are about                        }
    selections.py    the statements that both kinds of handlers send
"""

from importlib.util import find_spec

NEEDED = ("ambi", "msgspec", "sqlalchemy", "greenlet", "aiosqlite", "jwt")
MISSING = [name for name in NEEDED if find_spec(name) is None]
if MISSING:
    raise SystemExit(
        f"No module named {MISSING[0]!r}. In a clone, "
        "`pip install -e '.[typed,passwords]' 'sqlalchemy[aiosqlite]>=2.1' pyjwt` comes first."
    )

from .app import app as app  # noqa: E402  # after saying what is missing
