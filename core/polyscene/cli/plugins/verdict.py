"""What a check says: one line for what holds, a few for what does not, and the exit code."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from polyscene.registry.records import PluginRecord

FAILED = 1


class Verdict:
    """Prints what was found, and counts what is to mend."""

    def __init__(self) -> None:
        # Tests run with another standard output; ours stays.
        self.console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.failures = 0

    def title(self, record: PluginRecord) -> None:
        self.console.print(
            Text.assemble((f"plugin '{record.name}'", "bold"), f"  {record.source}, {record.module}")
        )

    def add(self, what: str, complaint: str = "") -> None:
        """Something that was checked, and what is wrong with it."""
        if not complaint:
            self.console.print(Text.assemble(("  ok    ", "green"), what))
            return
        self.failures += 1
        self.console.print(Text.assemble(("  FAIL  ", "bold red"), what))
        for line in complaint.splitlines():
            self.console.print(Text(f"          {line}"))

    def note(self, text: str) -> None:
        """Something that was not checked."""
        self.console.print(Text(f"  note  {text}", style="dim"))

    def end(self) -> int:
        """Print the verdict and return the exit code."""
        if self.failures:
            self.console.print(Text(f"{self.failures} to mend", style="bold red"))
            return FAILED
        self.console.print(Text("nothing to mend", style="bold green"))
        return 0
