"""A guestbook: accounts, posts with pictures, pages of them. Start it as `app.py` says.

settings.py      what the environment says
site.py          the application, put together          <- start here
database.py      one transaction a request              models.py   what is in the database
accounts.py      signing up, logging in and out         posts.py    writing, reading, changing, deleting
feed.py          the newest posts, for feed readers     images.py   pictures, checked by what they are
forms.py         what is read from forms                pages.py    templates, and pages for errors
health.py        whether it works
"""

from importlib.util import find_spec

MISSING = [name for name in ("ambi", "sqlalchemy", "jinja2", "itsdangerous", "limits") if find_spec(name) is None]
if MISSING:
    raise SystemExit(
        f"No module named {MISSING[0]!r}. In a clone, "
        "`pip install -e '.[templates,sessions,ratelimit,passwords]' sqlalchemy` comes first."
    )
