"""Small applications as the tutorials of their frameworks write them; each is asked alone and mounted.

All of them have the same pages at the same paths, so that one list of requests (`journeys.py`) visits them all: a form
with a session, a JSON API, an upload, a streaming page, a file with ranges, redirects, errors, and on ASGI background
tasks, a WebSocket and a lifespan. What a page says in what words and header fields is left to the framework.
"""
