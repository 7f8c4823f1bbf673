"""The deployment folder: versions of the model, and which one serves."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from polyscene.errors import CheckpointError, ServingError, did_you_mean
from polyscene.serving.audit import Audit
from polyscene.training.files import read_json, write_json

_SERVED = ("resolved.yaml", "fingerprint.json", "update.json", "split/*", "checkpoints/**/*")
"""What serving reads of a run; reports and curves stay behind."""
_PATIENCE = 30.0


@dataclass(frozen=True)
class Promoted:
    """The version that serves.

    Args:
        version: its name.
        time: when it was promoted, in unix seconds.
        before: what served earlier, the latest last: what rolling back goes to.
    """

    version: str
    time: float
    before: tuple[str, ...] = ()


class Deployment:
    """A folder with ``versions/``, ``promoted.json``, ``audit.jsonl`` and what else a service keeps.

    Processes may share it: changes are made one at a time, and ``promoted.json`` is written whole or not at all.

    Args:
        folder: made where it is missing.

    Raises:
        CheckpointError: the folder cannot be made.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            (self.folder / "versions").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"the folder cannot be made: {error.strerror}", where=str(folder), fix="give deployment=FOLDER"
            ) from None
        self.audit = Audit(self.folder / "audit.jsonl")

    @contextmanager
    def locked(self, patience: float = _PATIENCE) -> Iterator[None]:
        """Alone among all processes with this folder.

        Raises:
            ServingError: another process has kept it for longer than ``patience`` seconds.
            CheckpointError: the folder is gone; a new one in its place would hold half of what belongs there.
        """
        if not (self.folder / "versions").is_dir():
            raise CheckpointError(
                "the deployment is gone", where=str(self.folder), fix="put the folder back, or start a new server"
            )
        try:
            # A lock of its own each time: one that was made before a fork is of no use after it.
            with FileLock(self.folder / ".lock", timeout=patience):
                yield
        except Timeout:
            raise ServingError(
                "another process is changing the deployment", where=str(self.folder), fix="try again in a moment"
            ) from None

    def versions(self) -> list[str]:
        """The versions at hand, by name."""
        return sorted(path.name for path in (self.folder / "versions").glob("[!.]*") if path.is_dir())

    def path_of(self, version: str) -> Path:
        """The run of a version.

        Raises:
            ServingError: there is no such version.
        """
        known = self.versions()
        if version not in known:
            raise ServingError(
                f"there is no version '{version:.200}'", where="versions", fix=did_you_mean(version, known)
            )
        return self.folder / "versions" / version

    def adopt(self, run: Path, *, by: str) -> str:
        """Make a run a version, without serving it; the same run again is the same version.

        Its files are linked, or copied to another disk, so that the run itself may be removed later.

        Returns:
            The version's name: that of the run with a digest of its content.
        """
        version = self.version_of(run)
        place = self.folder / "versions" / version
        with self.locked():
            if not place.is_dir():
                unfinished = place.with_name(f".{version}")
                shutil.rmtree(unfinished, ignore_errors=True)
                try:
                    for path in _files(run):
                        _link(path, unfinished / path.relative_to(run))
                    unfinished.rename(place)
                except OSError as error:
                    shutil.rmtree(unfinished, ignore_errors=True)
                    raise CheckpointError(
                        f"the run cannot be kept: {error.strerror}", where=str(place), fix="free some space"
                    ) from None
                self.audit.note("adopt", by=by, version=version, run=str(run))
        return version

    @staticmethod
    def version_of(run: Path) -> str:
        """The name that a run has as a version, whether it is one or not."""
        return f"{run.resolve().name}-{_digest(run, _files(run))}"

    def promoted(self) -> Promoted | None:
        """The version that serves, or None before the first promotion."""
        path = self.folder / "promoted.json"
        if not path.exists():
            return None
        found = read_json(path)
        try:
            return Promoted(str(found["version"]), float(found["time"]), tuple(map(str, found["before"])))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the file is damaged ({error!r})", where=str(path), fix="remove it, and promote a version again"
            ) from None

    def promote(self, version: str, *, by: str, why: str = "", over: str | None = None) -> Promoted:
        """Let a version serve from now on; servers that run take it up by themselves.

        Whoever promotes has tried the version: see :meth:`polyscene.serving.versions.Versions.promote`.

        Args:
            version: its name.
            by, why: for the audit.
            over: promote only where this version serves now; ``None`` where any may.

        Raises:
            ServingError: there is no such version, or another one serves than ``over``.
        """
        self.path_of(version)
        with self.locked():
            now = self.promoted()
            if over is not None and (now is None or now.version != over):
                raise ServingError(
                    f"it now serves '{now.version if now else 'nothing'}', and '{over}' was to be replaced",
                    where=str(self.folder),
                    fix="see audit.jsonl for who changed it; then do again what you did",
                )
            if now is not None and now.version == version:
                return now
            before = () if now is None else (*now.before, now.version)
            return self._put(Promoted(version, time.time(), before), "promote", by, why)

    def previous(self) -> str:
        """The version that rolling back goes to.

        Raises:
            ServingError: none served before.
        """
        now = self.promoted()
        left = [version for version in (now.before if now else ()) if version in self.versions()]
        if not left:
            raise ServingError(
                "no version served before this one", where="rollback", fix="promote one by its name"
            )
        return left[-1]

    def roll_back(self, *, by: str, why: str = "") -> Promoted:
        """Let the version serve that did before the promoted one."""
        with self.locked():
            version, now = self.previous(), self.promoted()
            assert now is not None
            kept = now.before[: len(now.before) - 1 - now.before[::-1].index(version)]
            return self._put(Promoted(version, time.time(), kept), "roll back", by, why)

    def _put(self, promoted: Promoted, action: str, by: str, why: str) -> Promoted:
        # Audited first: a promotion that a crash cut short is on record, and none that happened can be missing.
        self.audit.note(action, by=by, version=promoted.version, **({"why": why} if why else {}))
        write_json(self.folder / "promoted.json", asdict(promoted))
        return promoted


def _files(run: Path) -> list[Path]:
    return [path for pattern in _SERVED for path in sorted(run.glob(pattern)) if _is_served(path)]


def _is_served(path: Path) -> bool:
    """Not the optimizer's state, which is several times the model."""
    return path.is_file() and not path.name.startswith(("training", "."))


def _digest(run: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(run).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:8]


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
