"""What type checkers know of an application: read by mypy and pyright (`nox -s types`), both strict, as users' code is.

`assert_type` says what a type is; a comment that silences an error says that there is one, since an unnecessary one is
an error itself: `type: ignore[...]` for mypy, `pyright: ignore[...]` for pyright. `test_run.py` runs the files, so that
what they say is also what happens; what only a checker may see stands in a function that nobody calls.
"""
