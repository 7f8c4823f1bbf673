"""Numbers as people read them."""

from __future__ import annotations


def figure(value: float) -> str:
    """A metric: four decimals below ten, fewer above."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"


def duration(seconds: float) -> str:
    """Seconds as ``0.42 s``, ``12.3 s``, ``3 min 05 s`` or ``2 h 04 min``."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def memory(mebibytes: float) -> str:
    """MiB as ``812 MiB`` or ``2.4 GiB``."""
    return f"{mebibytes:,.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
