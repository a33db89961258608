"""httpbin's routes, on which clients of HTTP are tried: half of the handlers are `def`, half `async def`.

Run it in a clone:

    gunicorn -k gthread --threads 8 examples.httpbin:app
    uvicorn examples.httpbin:app

What is where:

    app.py           the application, CORS, the page that lists the routes         <- start here
    around.py        what is put around `app.wsgi` and `app.asgi`
    echo.py          what a request said: /get, /post, /anything, /headers ...
    answers.py       how JSON is written; header fields and cookies that come from a request
    arguments.py     numbers in a query string
    statuses.py      /status          redirects.py   /redirect-to ...          caching.py    /cache, /etag
    auth.py          Basic, Bearer    digest.py      Digest (RFC 7616)         cookies.py    /cookies
    streams.py       /stream, /drip, /range          dynamic.py   /bytes, /delay, /uuid
    documents.py     /html, /json, /xml ...          encodings.py /gzip, /deflate, /brotli     images.py
"""

from .app import app as app
