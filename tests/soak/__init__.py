"""Very many requests to one process, more than a fifth of them hostile: what it holds in the end is what it held in the beginning.

    python -m tests.soak [--requests 200000] [--sockets 25000] [--seed 1] [--only wsgi|asgi|gthread|uvicorn ...]

app.py         the application: that of the corpus, with handlers of both colours, and what it lacks beside it
traffic.py     who sends what: people, and requests of the corpus, in an order that the seed decides
measuring.py   what a process holds, and whether that grows
test_soak.py   that the share of hostile ones is what is said, and that growth is found
in_process.py  half of the requests each to one gateway, through a test client, in a child process
on_sockets.py  fewer of them to gunicorn's gthread worker and to uvicorn, whose process tells what it holds

After a warm-up, in which caches fill and pools grow, samples are taken at even distances. Resident memory may grow by a
byte a request, and what is allocated by less than an object: least squares over the samples. Descriptors, threads, tasks
and the objects that the garbage collector knows stay as many as they were; worker threads, which are idle between
requests and end after a while, are never more than `Limits.threads`. It is no part of the suite: `nox -s soak`.
"""
