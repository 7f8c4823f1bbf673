"""What the command line says on standard error."""

from __future__ import annotations

from polyscene.errors import PolysceneError
from polyscene.registry.host import Host


def print_error(error: PolysceneError) -> None:
    """One message: what was found, where, and what to do next."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    place = f"{error.where}: " if error.where else ""
    console.print(Text.assemble(("Error: ", "bold red"), (place, "bold"), error.what))
    if error.fix:
        console.print(Text(error.fix, style="cyan"))


def print_broken(host: Host) -> None:
    """One line for each plugin that does not work; the others are used all the same."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for record in host.records:
        if record.status == "broken":
            console.print(
                Text.assemble(("Note: ", "bold yellow"), "going on without a plugin: ", record.complaint())
            )
    for name in host.disputed:
        console.print(
            Text.assemble(("Note: ", "bold yellow"), "going on without a scenario: ", host.dispute(name))
        )
