"""The activation store: what the frozen part of the backbone computed for a text, on disk under a content key."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from polyscene.backbone.shards import SUFFIX, Shard, read_shard, write_shard
from polyscene.backbone.states import TokenStates
from polyscene.data.files import write_error
from polyscene.errors import BackboneError

logger = logging.getLogger(__name__)


class ActivationStore:
    """Append-only shards of ragged float values, found by the digest of their text.

    Every commit is one new file that appears whole under a name that is the digest of its bytes. Commits and
    cleaning hold a file lock, so processes can write at once; readers need none. A shard is checked in full when
    this process first sees it; a damaged one is moved aside (``*.damaged``) with a warning and its texts count as
    missing. A writer that was killed leaves at most a ``*.part`` file, which the next one removes.

    Args:
        folder: the store's folder, one per content key of a model.
        width: h, the numbers per row.
        dtype: of the stored values.
    """

    def __init__(self, folder: Path, width: int, dtype: torch.dtype) -> None:
        self.folder, self.width, self.dtype = folder, width, dtype
        self._shards: dict[str, Shard] = {}
        self._index()
        self.refresh()

    def __len__(self) -> int:
        """Number of distinct texts."""
        return len(self._sorted)

    def refresh(self) -> None:
        """Takes in shards that appeared since the store was opened."""
        fresh = sorted(path for path in self.folder.glob(f"*{SUFFIX}") if path.stem not in self._shards)
        for path in fresh:
            shard = read_shard(path, self.width, self.dtype)
            if shard is not None:
                self._shards[path.stem] = shard
            elif path.exists():
                self._move_aside(path)
        if fresh:
            self._index()

    def has(self, digests: np.ndarray) -> np.ndarray:
        """For each digest whether its text is stored, ``[n]`` bool."""
        if not len(self._sorted):
            return np.zeros(len(digests), dtype=bool)
        return self._sorted[self._search(digests)] == digests

    def add(self, digests: np.ndarray, lengths: np.ndarray, values: Tensor) -> None:
        """Commits distinct texts at once; those that another process stored meanwhile are left out.

        Args:
            digests: ``[n]`` dtype ``S16``.
            lengths: ``[n]`` rows of each text.
            values: ``[lengths.sum(), h]``

        Raises:
            BackboneError: disk full or folder not writable; nothing of this commit is left on disk.
        """
        values = values.detach().to("cpu", self.dtype)
        if not bool(torch.isfinite(values).all()):
            raise BackboneError(
                f"activations are not finite in {self.dtype}",
                where=str(self.folder),
                fix="try another backbone.dtype; if that does not help, the weights are damaged",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock"):
                for orphan in self.folder.glob("*.part"):  # of a killed writer: a living one would hold the lock
                    orphan.unlink(missing_ok=True)
                self.refresh()
                keep = ~self.has(digests)
                if keep.any():
                    rows = torch.from_numpy(np.repeat(keep, lengths))
                    write_shard(self.folder, digests[keep], lengths[keep], values[rows])
        except OSError as problem:
            raise write_error(problem, self.folder, BackboneError) from problem
        self.refresh()

    def states(self, digests: np.ndarray) -> TokenStates:
        """The stored rows of each text, in the order of ``digests``.

        Raises:
            BackboneError: a text is not stored.
        """
        found = self.has(digests)
        if not found.all():
            raise BackboneError(
                f"{int((~found).sum())} of {len(digests)} texts are missing from the store",
                where=str(self.folder),
                fix="run again: missing texts are encoded anew",
            )
        owner = self._order[self._search(digests)] if len(digests) else np.empty(0, np.int64)
        return TokenStates(
            [shard.values for shard in self._shards.values()],
            shard_n=self._shard_of[owner],
            start_n=self._start[owner],
            length_n=self._length[owner],
            width=self.width,
        )

    def _index(self) -> None:
        shards = list(self._shards.values())
        digests = np.concatenate([np.empty(0, "S16"), *(shard.digests for shard in shards)])
        starts = [shard.offsets[:-1] for shard in shards]
        self._start = np.concatenate([np.empty(0, np.int64), *starts])
        self._length = np.concatenate([np.empty(0, np.int64), *(np.diff(shard.offsets) for shard in shards)])
        self._shard_of = np.repeat(np.arange(len(shards)), [len(shard.digests) for shard in shards])
        self._sorted, self._order = np.unique(digests, return_index=True)

    def _search(self, digests: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._sorted, digests).clip(max=len(self._sorted) - 1)

    def _move_aside(self, path: Path) -> None:
        logger.warning("%s is damaged; it was moved aside and its texts are encoded again", path)
        try:
            path.replace(path.with_suffix(".damaged"))
        except OSError as error:
            logger.warning("%s could not be moved aside (%s); it is ignored", path, error)
