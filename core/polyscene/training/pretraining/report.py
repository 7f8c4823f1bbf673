"""What further training did to a backbone, in the terminal: language on one side, retrieval on the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from polyscene.training.reporter import Reporter

_CROWDED = 0.1
"""A rise of the mean cosine of different texts that is worth a word."""


def show(document: Mapping[str, Any], reporter: Reporter) -> None:
    """Print a table and, where something got worse, what to do about it.

    Args:
        document: the content of ``pretrained.json``.
        reporter: the terminal.
    """
    curve = document["perplexity"]
    table = Table("measure", "before", "after", "of")
    held = f"{document['texts']['held_out']:,} held-out texts"
    table.add_row("perplexity", f"{curve[0]['held_out']:,.1f}", f"{least_perplexity(document):,.1f}", held)
    for name, figure in document["figures"].items():
        before, after = (f"{one['value']:.4f} ± {one['error']:.4f}" for one in (figure["before"], figure["after"]))
        kind = "users" if "NDCG" in name else "texts"
        table.add_row(name, before, after, f"{figure['before']['count']:,} {kind}")
    reporter.console.print(table)
    for line in harm(document):
        reporter.say(line)


def least_perplexity(document: Mapping[str, Any]) -> float:
    """Perplexity of the state that was kept."""
    return min(point["held_out"] for point in document["perplexity"][1:])


def harm(document: Mapping[str, Any]) -> list[str]:
    """What got worse by more than a standard error, in words; empty where nothing did."""
    found = []
    if least_perplexity(document) > document["perplexity"][0]["held_out"]:
        found.append("perplexity of held-out texts rose")
    for name, figure in document["figures"].items():
        before, after = figure["before"], figure["after"]
        if name.startswith("mean cosine"):
            worse = after["value"] > before["value"] + _CROWDED
        else:
            worse = after["value"] < before["value"] - before["error"]
        if worse:
            found.append(f"{name} went from {before['value']:.4f} to {after['value']:.4f}")
    if not found:
        return []
    advice = "train scenarios with both backbones before you choose; tune=lora, a lower trainer.lr or fewer steps"
    return [f"Note: this training made something worse: {'; '.join(found)}. {advice} change less."]
