"""Does what the guides say: writes the files that they print and runs their commands, with short settings.

    python .ci/readme_examples.py            every guide
    python .ci/readme_examples.py plugins    one of them

In a guide, a fenced block is ``console`` (lines that open with ``$`` are run; every other line must be found in
what the command above it prints) or a file, named in backticks at the end of the line above the block, before a
colon. A block without a language holds the commands that .ci/run itself begins with.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
GUIDES = {file.parent.name: file for file in sorted(REPOSITORY.glob("[!.]*/README.md"))}
GUIDES = {"README": REPOSITORY / "README.md", **GUIDES}
SECONDS = 600

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"`([^`\s]+)`:\s*$")


@dataclass
class Step:
    """One thing to do: a file to write, or a command to run with the lines that it must print."""

    path: str = ""
    text: str = ""
    command: str = ""
    shown: tuple[str, ...] = ()


def steps(guide: str) -> Iterator[Step]:
    """What a guide says to do, in order.

    Raises:
        ValueError: a block is neither a console nor a named file.
    """
    for block in BLOCK.finditer(guide):
        language, text = block.groups()
        named = _NAMED.search(guide[: block.start()])
        if language == "console":
            yield from _commands(text)
        elif language and named:
            yield Step(path=named[1], text=text)
        elif language:
            raise ValueError(f"no file name before this block of {language}:\n{text}")


def shortened(command: str) -> list[str]:
    """The words of a command with settings that keep it short."""
    words = shlex.split(command)
    if words[0] == "polyscene" and "train" in words:
        words += [] if any(word.startswith("trainer=") for word in words) else ["trainer=smoke"]
        words += ["experiment=none"] if "-m" in words else []
        films = any(word.startswith("scenario=") and "video" in word for word in words)
        chosen = any(word.startswith("scenario.video.dataset=") for word in words)
        words += ["scenario.video.dataset=movielens_100k"] if films and not chosen else []
    elif words[:2] == ["polyscene", "transfer"]:
        words += ["trainer=smoke", "seeds=[0]", "adapters=[]"]
    return words


def follow(guide: Path, folder: Path) -> bool:
    """Do what a guide says, in a folder of its own; stops at the first command that fails."""
    folder.mkdir()
    for step in steps(guide.read_text(encoding="utf-8")):
        if step.path:
            print(f"> {step.path}", flush=True)
            file = folder / step.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, encoding="utf-8")
        elif not _run(step, folder):
            return False
    return True


def main(names: list[str]) -> int:
    """Follow guides in the current folder."""
    unknown = sorted(set(names) - set(GUIDES))
    if unknown:
        print(f"no such guide: {', '.join(unknown)}; there are {', '.join(GUIDES)}")
        return 2
    failed = []
    for name in names or GUIDES:
        print(f"\n-- {GUIDES[name].relative_to(REPOSITORY)}", flush=True)
        if not follow(GUIDES[name], Path.cwd() / name):
            failed.append(name)
    return 1 if failed else 0


def _commands(text: str) -> Iterator[Step]:
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found and line.strip():
            found[-1][1].append(line)
        elif line.strip():
            raise ValueError(f"output before any command: {line}")
    yield from (Step(command=command, shown=tuple(shown)) for command, shown in found)


def _run(step: Step, folder: Path) -> bool:
    words = shortened(step.command)
    print(f"$ {shlex.join(words)}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(
        words,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    print(done.stdout, end="", flush=True)
    print(f"  exit code {done.returncode}, {time.perf_counter() - start:.0f} s", flush=True)
    said = _joined(done.stdout)
    missing = [line for line in step.shown if _joined(line) not in said]
    for line in missing:
        print(f"  the guide says that this is printed: {line}", flush=True)
    return done.returncode == 0 and not missing


def _joined(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
