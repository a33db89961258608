"""The same bytes to ambi, Werkzeug and Starlette: where they differ, and why ours is right.

    pytest tests/differential               # every difference has a rule, and every rule a difference; with
                                            # HYPOTHESIS_PROFILE=thorough for fifty times as many requests
    python -m tests.differential            # shows what nobody has explained, and writes the page

exchange.py     a request, sent to a WSGI and to an ASGI application
apps.py         one application of each, which read the same things and say what they have read
inputs.py       what is sent: the tables of tests/data, the corpus, and generated ones, the same on each run
differences.py  the rules: a difference, who differs, and the reason
page.py         docs/explanation/differences.md, made of those
"""
