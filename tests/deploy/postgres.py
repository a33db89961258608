"""A real PostgreSQL on a free loopback port, ended by its process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.running import accepts, free_port, run, wait_for


def find_initdb() -> Path | None:
    """Find the newest that there is: Debian puts it beside the server, and on nobody's PATH."""
    found = shutil.which("initdb")
    return Path(found) if found else max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)


def why_not() -> str | None:
    """Tell why there can be none here; None where there can."""
    if find_initdb() is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or not _is_user("postgres")):
        return "PostgreSQL does not run as root, and there is no other user for it"
    return None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of a server of its own, without a password, kept nowhere."""
    initdb = find_initdb()
    assert initdb is not None
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="ambi-postgres-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        if as_user:
            shutil.chown(folder, "postgres")
        made = [*as_user, str(initdb), "-D", f"{folder}/data", "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, timeout=60, cwd=folder)
        server = [str(initdb.with_name("postgres")), "-D", f"{folder}/data", "-p", str(port), "-k", str(folder), "-F"]
        with run(" ".join([*as_user, *server, "-c", "listen_addresses=127.0.0.1"]), folder) as program:
            wait_for(lambda: accepts(("127.0.0.1", port)) and "ready to accept" in program.log, program)
            yield f"shop@127.0.0.1:{port}/postgres"


def _is_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
