"""The first minutes with ambi, as somebody has them who does what is printed: `nox -s first_minutes`.

From the built wheel, in environments and a home that have nothing in them: a project is made and served, a change is
seen, and then every command of its README.md is run as it stands there.
"""
