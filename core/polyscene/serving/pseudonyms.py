"""Pseudonyms: what stands for ids of users and items in text logs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from filelock import FileLock

from polyscene.data.files import atomic_path
from polyscene.errors import AccessError

FILE = "pseudonyms.secret"
_BYTES = 32
_SHOWN = 20  # hexadecimal digits: two of a million ids share a pseudonym with a chance of one in 10^12


class Pseudonyms:
    """Names that are the same for the same id, and that nobody without the secret can trace back.

    A plain hash would not do: ids are few, so whoever reads the logs could hash them all and compare.

    Args:
        secret: the key of the HMAC, 32 random bytes.

    Example:
        >>> names = Pseudonyms(bytes(32))
        >>> names.of("user", "42")
        'user-37739de4c77cd8ce9411'
        >>> names.of("user", "42") == names.of("item", "42").replace("item", "user")
        False
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _BYTES:
            raise AccessError(f"a secret has {_BYTES} bytes, found {len(secret)}", where="pseudonyms")
        self._secret = secret

    def of(self, kind: str, identifier: str) -> str:
        """The pseudonym of an id.

        Args:
            kind: what the id names, as ``user``; a user and an item with the same id get different pseudonyms.
            identifier: the id.
        """
        message = f"{kind}\0{identifier}".encode("utf-8", "surrogatepass")
        return f"{kind}-{hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:_SHOWN]}"


def pseudonyms_in(folder: Path) -> Pseudonyms:
    """The pseudonyms of a deployment, whose secret lies beside its keys and is made where there is none.

    Whoever removes the secret cuts the tie between new logs and old ones.

    Raises:
        AccessError: the secret is damaged or cannot be read or written.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise AccessError("the folder does not exist", where=str(folder), fix="create it")
    try:
        if not path.exists():
            with FileLock(folder / f".{FILE}.lock"):
                if not path.exists():
                    with atomic_path(path, AccessError, mode=0o600) as temporary:
                        temporary.write_text(secrets.token_hex(_BYTES) + "\n", encoding="ascii")
        return Pseudonyms(bytes.fromhex(path.read_text(encoding="ascii")))
    except (OSError, ValueError, AccessError) as problem:
        raise AccessError(
            f"the secret of pseudonyms cannot be used: {problem}",
            where=str(path),
            fix="restore it, or remove it to begin with new pseudonyms",
        ) from problem
