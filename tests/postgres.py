"""A PostgreSQL server of the tests' own, on a loopback port, from Debian's package."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 20  # seconds
_OWNERS = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "lc_messages": "C",
}


class Postgres:
    """A server with its data in a folder of its own.

    Args:
        programs: the folder with ``initdb`` and ``postgres``.
    """

    def __init__(self, programs: Path) -> None:
        self.programs, self.process = programs, None
        # Not in pytest's folder: the server's user could not reach into that.
        self.folder = Path(tempfile.mkdtemp(prefix="polyscene-postgres-"))
        self.user = _user()
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.password = secrets.token_hex(8)
        (self.folder / "password").write_text(self.password)
        (self.folder / "password").chmod(0o644)
        options = ("--username=shop", "--auth=scram-sha-256", f"--pwfile={self.folder / 'password'}")
        made = self._spawn("initdb", "-D", str(self.data), "-E", "UTF8", "--locale=C", "--no-sync", *options)
        assert made.wait(PATIENCE) == 0, self.log.read_text()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.places = 0

    @property
    def log(self) -> Path:
        """What its programs say."""
        return self.folder / "log"

    @property
    def data(self) -> Path:
        """The folder with the server's files."""
        return self.folder / "data"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < until, self.log.read_text()
            if self.process is None or self.process.poll() is not None:
                # Also anew: processes of a server that was killed need a moment to notice.
                settings = {**_SETTINGS, "port": self.port}
                options = (f"--{key}={value}" for key, value in settings.items())
                self.process = self._spawn("postgres", "-D", str(self.data), *options)
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: at once but in order, or by ``SIGKILL``."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://shop:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_place(self) -> str:
        """The address of a schema of its own in the server's database: as good as a new database, and quicker."""
        import psycopg
        from psycopg.sql import SQL, Identifier

        self.places += 1
        name = f"place{self.places}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[Any]:
        # The server refuses to run as root.
        as_user: dict[str, Any] = (
            {} if self.user is None else {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        )
        with self.log.open("a") as log:
            command = [str(self.programs / program), *arguments]
            return subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_user
            )


def find_programs() -> Path | None:
    """The newest installed server's folder of programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    given = shutil.which("initdb")
    return found[-1].parent if found else Path(given).parent if given else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process; without one they are skipped, loudly."""
    programs = find_programs()
    if programs is None:
        pytest.skip("NO POSTGRESQL: this test needs Debian's package postgresql")
    server = Postgres(programs)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _user() -> pwd.struct_passwd | None:
    if os.getuid() != 0:
        return None
    return next(one for name in _OWNERS for one in pwd.getpwall() if one.pw_name == name)
