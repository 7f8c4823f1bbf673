"""What a run found, for people: tables in the terminal and a self-contained HTML page."""

from polyscene.report.html import write_html
from polyscene.report.schema import read_metrics, write_metrics
from polyscene.report.terminal import render_terminal

__all__ = ["read_metrics", "render_terminal", "write_html", "write_metrics"]
