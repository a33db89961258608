"""The guestbook as servers are told to serve it, with settings from the environment.

    gunicorn -k gthread --threads 8 examples.guestbook.app:app
    uvicorn examples.guestbook.app:app
    python -m examples.guestbook        the standard library's server

What is in it stands in `site.py`.
"""

from .settings import Settings
from .site import make_site

app = make_site(Settings.from_environment())
