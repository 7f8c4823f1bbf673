"""What a run found, for people: tables in the terminal and a self-contained HTML page."""

from polyscene.report.html import write_html
from polyscene.report.schema import read_metrics, read_transfer, write_metrics, write_transfer
from polyscene.report.terminal import render_terminal
from polyscene.report.transfer_html import write_transfer_page
from polyscene.report.transfer_terminal import print_transfer

__all__ = [
    "print_transfer",
    "read_metrics",
    "read_transfer",
    "render_terminal",
    "write_html",
    "write_metrics",
    "write_transfer",
    "write_transfer_page",
]
