"""Runs every ``$`` line of README.md's console blocks, in order, with settings that keep it short."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
SHORT = ["trainer=smoke"]
SHORT_SWEEP = ["trainer=smoke", "experiment=none", "scenario.video.dataset=movielens_100k"]
SHORT_TRANSFER = ["trainer=smoke", "seeds=[0]", "adapters=[]"]
SECONDS = 600


def console_commands(readme: str) -> list[str]:
    """The commands of all console blocks of a page."""
    blocks = re.findall(r"^```console\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def main() -> int:
    """Runs in the current folder; stops at the first command that fails."""
    commands = console_commands(README.read_text(encoding="utf-8"))
    if not commands:
        print("README.md has no examples")
        return 1
    for command in commands:
        words = shlex.split(command)
        if words[:2] == ["polyscene", "train"]:
            words += SHORT_SWEEP if "-m" in words else SHORT
        elif words[:2] == ["polyscene", "transfer"]:
            words += SHORT_TRANSFER
        print(f"$ {shlex.join(words)}", flush=True)
        start = time.perf_counter()
        code = subprocess.run(words, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False).returncode
        print(f"  exit code {code}, {time.perf_counter() - start:.0f} s", flush=True)
        if code:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
