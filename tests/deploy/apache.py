"""An Apache with mod_wsgi, set up as the page says, with the folders and the port of a test."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ambi
from tests.deploy.pages import files, write
from tests.deploy.running import free_port, path_of, serve

MODULES = Path("/usr/lib/apache2/modules")
NEEDED = ("mpm_event", "authz_core", "alias", "wsgi")
AROUND = """
ServerRoot {folder}
ServerName shop.example.com
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
{modules}
User www-data
Group www-data
WSGISocketPrefix {folder}/wsgi
{inner}
"""


def why_not() -> str | None:
    """Tell why there can be none here; None where there can."""
    if path_of("apache2") is None or any(not _module(name).exists() for name in NEEDED):
        return "Apache and its mod_wsgi are not installed"
    if os.geteuid() != 0:
        return "Apache changes its user, and so has to be started by root"
    return None if sys.version_info[:2] == (3, 11) else "Debian's mod_wsgi is for Python 3.11"


@contextlib.contextmanager
def apache() -> Iterator[tuple[str, int]]:
    """Run Apache with the shop, and give its address."""
    with tempfile.TemporaryDirectory(prefix="ambi-apache-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)  # its processes are of another user
        write("deploy/index.md", folder)
        write("deploy/wsgi-hosts.md", folder)
        inner = files("deploy/wsgi-hosts.md")["shop.conf"]
        importable = [
            str(folder),
            str(Path(ambi.__file__).parents[1]),
            *(path for path in sys.path if "site-packages" in path),
        ]
        for theirs, ours in (
            ("user=shop group=shop", "user=www-data group=www-data"),
            (" python-home=/srv/shop/venv", ""),  # that of Debian's Python
            ("python-path=/srv/shop ", f"python-path={':'.join(importable)} "),
            ("/srv/shop", str(folder)),
        ):
            assert theirs in inner
            inner = inner.replace(theirs, ours)
        modules = "\n".join(f"LoadModule {name}_module {_module(name)}" for name in NEEDED)
        (folder / "apache.conf").write_text(AROUND.format(folder=folder, port=port, modules=modules, inner=inner))
        address = ("127.0.0.1", port)
        with serve(f"apache2 -f {folder}/apache.conf -D FOREGROUND", folder, address):
            yield address


def _module(name: str) -> Path:
    return MODULES / f"mod_{name}.so"
