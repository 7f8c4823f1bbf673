"""API keys: who may ask a service for what."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock

from polyscene.data.files import atomic_path, write_error
from polyscene.errors import AccessError, PolysceneError, Problems, did_you_mean

Scope = Literal["recommend", "feedback", "admin"]
SCOPES: tuple[str, ...] = get_args(Scope)
_PREFIX = "ps_"  # tells people, and scanners for leaked secrets, what it is
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_HASH = re.compile(r"[0-9a-f]{64}")
_DAY_S = 86_400


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Args:
        name: names the key in lists and logs; each once.
        scopes: what it may be used for; each by itself, none implies another.
        hash: SHA-256 of the key. A slow hash protects secrets that people choose, which can be guessed; 256 random
            bits cannot be, so a fast one is as safe and costs a request nothing.
        created, expires: unix seconds; never expires when ``None``.
    """

    name: str
    scopes: tuple[Scope, ...]
    hash: str
    created: float
    expires: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scopes", tuple(self.scopes))
        problems = Problems(f"key {self.name!r:.60}")
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            problems.add("a name has up to 60 letters, digits, dots, dashes and underscores")
        if not self.scopes:
            problems.add("it has no scope", fix=f"give some of {', '.join(SCOPES)}")
        for scope in self.scopes:
            if scope not in SCOPES:
                problems.add(f"there is no scope {scope!r:.60}", fix=did_you_mean(str(scope), SCOPES))
        if not isinstance(self.hash, str) or not _HASH.fullmatch(self.hash):
            problems.add("its hash is none")
        if not isinstance(self.created, int | float) or not isinstance(self.expires, int | float | None):
            problems.add("'created' or 'expires' is no time")
        problems.raise_if_any(AccessError)

    def is_valid(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


class KeyFile:
    """The keys in a file, which may change while it is used: a key that is revoked opens nothing from then on.

    Args:
        path: the file, ``keys.json`` of a deployment; its mode is 600.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, int, int], list[Key]] | None = None

    def read(self) -> list[Key]:
        """All keys, in the order in which they were made; none where there is no file.

        Raises:
            AccessError: the file is damaged.
        """
        try:
            found = self.path.stat()
        except OSError:
            return []
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._read is None or self._read[0] != state:
            self._read = (state, _parsed(self.path))
        return self._read[1]

    def find(self, secret: str) -> Key | None:
        """The valid key that somebody shows; ``None`` for a wrong one. A file that is damaged lets nobody in."""
        try:
            keys = self.read()
        except AccessError:
            return None
        shown, now = _hash(secret), time.time()
        # Every key is compared, and each to its end: the time taken tells nothing about any of them.
        matching = [key for key in keys if hmac.compare_digest(key.hash, shown)]
        return next((key for key in matching if key.is_valid(now)), None)

    def new(self, scopes: Sequence[str], name: str = "", days: float | None = None) -> tuple[str, Key]:
        """Make a key.

        Args:
            scopes: what it may be used for.
            name: chosen at random where it is empty.
            days: how long it is valid; for ever when ``None``.

        Returns:
            The key itself, which is kept nowhere, and what is kept of it.

        Raises:
            AccessError: a wrong or taken name, a wrong scope, or a damaged file.
        """
        secret, now = _PREFIX + secrets.token_urlsafe(_BYTES), time.time()
        if days is not None and not days > 0:
            raise AccessError(
                f"a key cannot be valid for {days:g} days", where="days", fix="give a number above 0"
            )
        expires = None if days is None else now + days * _DAY_S
        ordered: Any = tuple(dict.fromkeys(scopes))
        key = Key(name or f"key-{secrets.token_hex(4)}", ordered, _hash(secret), now, expires)

        def added(keys: list[Key]) -> list[Key]:
            if any(other.name == key.name for other in keys):
                raise AccessError(
                    f"there is a key called '{key.name}' already",
                    where=str(self.path),
                    fix="choose another name, or revoke that key first",
                )
            return [*keys, key]

        self._change(added)
        return secret, key

    def revoke(self, name: str) -> None:
        """Remove a key.

        Raises:
            AccessError: there is none of this name, or the file is damaged.
        """

        def without(keys: list[Key]) -> list[Key]:
            if all(key.name != name for key in keys):
                known = [key.name for key in keys]
                raise AccessError(
                    f"there is no key called '{name}'", where=str(self.path), fix=did_you_mean(name, known)
                )
            return [key for key in keys if key.name != name]

        self._change(without)

    def _change(self, changed: Callable[[list[Key]], list[Key]]) -> None:
        if not self.path.parent.is_dir():
            raise AccessError("the folder does not exist", where=str(self.path.parent), fix="create it")
        try:
            with FileLock(self.path.with_name(f".{self.path.name}.lock")):
                entries = [asdict(key) for key in changed(self.read())]
                with atomic_path(self.path, AccessError, mode=0o600) as temporary:
                    temporary.write_text(json.dumps({"keys": entries}, indent=2) + "\n", encoding="utf-8")
        except OSError as problem:
            raise write_error(problem, self.path, AccessError) from problem


def read_keys(path: Path) -> KeyFile:
    """The keys in a file that must be there.

    Raises:
        AccessError: it is not there, or damaged.
    """
    if not path.is_file():
        raise AccessError(
            "there is no file of keys", where=str(path), fix="polyscene keys new --scope recommend --name NAME"
        )
    file = KeyFile(path)
    file.read()
    return file


def _parsed(path: Path) -> list[Key]:
    try:
        return [Key(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["keys"]]
    except (OSError, ValueError, TypeError, KeyError, PolysceneError) as problem:
        raise AccessError(
            f"the file of keys cannot be read: {problem}",
            where=str(path),
            fix="restore it, or remove it and make new keys",
        ) from problem


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
