"""What is known about one plugin: where it came from, whether it works, and if not, why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from polyscene.registry.discovery import Candidate

Status = Literal["active", "broken", "disabled"]


@dataclass
class PluginRecord:
    """One entry point of the group ``polyscene.plugins``.

    Args:
        name: the entry point's name, unique among plugins.
        module: the module that the entry point names.
        distribution, version: the installed package that declares the entry point.
        api: the API version that the plugin says it was written for.
        status: ``active``, ``broken`` (see ``reason``) or ``disabled`` (not on the allow-list).
        reason: why the plugin is not active, in one line.
        hooks: names of the hooks it implements.
        scenarios: names of its scenarios; for a plugin that cannot be asked, those its config files name.
        components: ``kind/name`` of its components; for a plugin that cannot be asked, likewise.
    """

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    api: str = ""
    status: Status = "active"
    reason: str = ""
    hooks: list[str] = field(default_factory=list)
    scenarios: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, candidate: Candidate) -> PluginRecord:
        """What is known before the module is imported."""
        return cls(candidate.name, candidate.entry_point.value, candidate.distribution, candidate.version)

    @property
    def source(self) -> str:
        """The distribution and version to blame, for example ``polyscene-podcast 0.2.0``."""
        return f"{self.distribution} {self.version}".strip() or self.module

    def stop(self, status: Status, reason: str) -> None:
        """Mark the plugin as not active; the first reason is kept."""
        if self.status == "active":
            self.status, self.reason = status, " ".join(reason.split())

    def complaint(self) -> str:
        """One sentence for messages: who, from where, and why it does not work."""
        return f"plugin '{self.name}' ({self.source}) is {self.status}: {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-serializable values (``polyscene plugins list --json``)."""
        return asdict(self)
