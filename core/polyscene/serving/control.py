"""What workers and the process above them tell each other: small files in a folder that only they know."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from polyscene.errors import PolysceneError, ServingError
from polyscene.training.files import write_json

_LEFT_S = 3600.0


@dataclass(frozen=True)
class Wish:
    """That other workers take the place of these.

    Args:
        version: what they are to load; empty for what is promoted, or where that cannot be loaded what was before.
        action: what is to be decided when it is loaded; nothing where it was decided before.
        by, why: for the audit.
    """

    version: str = ""
    action: Literal["load", "promote", "roll back"] = "load"
    by: str = ""
    why: str = ""


class Control:
    """The folder.

    What the process above says waits until :meth:`write` finds room on the disk, so that a full one ends nobody.

    Args:
        folder: made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._state = folder, folder / "state.json"
        self._said: dict[str, str] = {}
        self._unwritten: dict[Path, dict[str, str]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, version: str, trouble: str = "") -> None:
        """Say which version serves, and why it is not the promoted one, where it is not."""
        said = {"version": version, "trouble": trouble}
        if said != self._said:
            self._said = self._unwritten[self._state] = said

    def write(self) -> None:
        """Write what was said and told since; what the disk has no room for is tried again the next time."""
        for path, what in list(self._unwritten.items()):
            try:
                write_json(path, what)
            except PolysceneError:
                return
            del self._unwritten[path]

    @property
    def serving(self) -> str:
        """The version that serves; empty before there is one."""
        return _read(self._state).get("version", "")

    @property
    def trouble(self) -> str:
        """Why the promoted version does not serve; empty where it does."""
        return _read(self._state).get("trouble", "")

    def ask(self, wish: Wish) -> str:
        """Wish something; the name under which :meth:`told` has the answer.

        Raises:
            CheckpointError: the disk is full.
        """
        name = uuid.uuid4().hex
        write_json(self.folder / f"{name}.wish.json", asdict(wish))
        return name

    def told(self, name: str) -> bool:
        """Whether what was wished has come true.

        Raises:
            ServingError: it cannot.
        """
        path = self.folder / f"{name}.told.json"
        if not path.exists():
            return False
        found = _read(path)
        path.unlink()
        if found["what"]:
            raise ServingError(found["what"], where=found["where"], fix=found["fix"])
        return True

    def wishes(self) -> Iterator[tuple[str, Wish]]:
        """What is wished, the oldest first, by name; each is given out once."""
        for path in sorted(self.folder.glob("*.wish.json"), key=lambda one: one.stat().st_mtime_ns):
            found = _read(path)
            path.unlink()
            yield path.name.removesuffix(".wish.json"), Wish(**found)

    def tell(self, name: str, error: PolysceneError | None = None) -> None:
        """Answer a wish: it has come true, or why it cannot."""
        for old in self.folder.glob("*.told.json"):  # of somebody who did not wait
            if time.time() - old.stat().st_mtime > _LEFT_S:
                old.unlink(missing_ok=True)
        said = ("", "", "") if error is None else (error.what, error.where, error.fix)
        told: dict[str, str] = dict(zip(("what", "where", "fix"), said, strict=True))
        self._unwritten[self.folder / f"{name}.told.json"] = told


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
