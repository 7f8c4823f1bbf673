"""Does what the guides say: writes the files that they print and runs their commands, with short settings.

    python .ci/readme_examples.py              every guide
    python .ci/readme_examples.py plugins      one of them
    python .ci/readme_examples.py --jobs 2     two things at a time

A guide is followed from its top to its end in a folder of its own, but each section of README.md is by itself.

In a guide, a fenced block is ``console`` (lines that open with ``$`` are run; every other line must be found in
what the command above it prints) or a file, named in backticks at the end of the line above the block, before a
colon. A block without a language holds the commands that .ci/run itself begins with.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
GUIDES = {file.parent.name: file for file in sorted(REPOSITORY.glob("[!.]*/README.md"))}
GUIDES = {"README": REPOSITORY / "README.md", **GUIDES}
SECONDS = 600
SMALL = {"video": "dataset=movielens_100k", "ecommerce": "households=100"}
"""An option of a scenario with which its data is small."""

_SECTION = re.compile(r"^## (?=(.*)$)", re.MULTILINE)
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
    elif words[:2] == ["polyscene", "transfer"]:
        words += ["trainer=smoke", "seeds=[0]", "adapters=[]"]
    if words[0] == "polyscene" and {"train", "transfer", "pretrain"} & set(words):
        words += [
            f"scenario.{name}.{small}"
            for name, small in SMALL.items()
            if any(word.startswith("scenario=") and name in word for word in words)
            and not any(word.startswith(f"scenario.{name}.{small.partition('=')[0]}=") for word in words)
        ]
    return words


def parts(name: str) -> dict[str, str]:
    """What can be followed by itself: a whole guide, or each section of the README in which something is done."""
    text = GUIDES[name].read_text(encoding="utf-8")
    if name != "README":
        return {name: text}
    _, *pieces = _SECTION.split(text)
    named = zip((re.sub(r"\W+", "-", title) for title in pieces[::2]), pieces[1::2], strict=True)
    return {f"{name}-{title}": piece for title, piece in named if list(steps(piece))}


def follow(text: str, folder: Path) -> bool:
    """Do what a guide says, in a folder of its own; stops at the first command that fails."""
    folder.mkdir()
    for step in steps(text):
        if step.path:
            print(f"> {step.path}", flush=True)
            file = folder / step.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, encoding="utf-8")
        elif not _run(step, folder):
            return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow guides in the current folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GUIDES)}")
    parser.add_argument("--jobs", type=int, default=1, help="how many parts at a time (1)")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(GUIDES))
    if unknown:
        parser.error(f"no such guide: {', '.join(unknown)}; there are {', '.join(GUIDES)}")
    wanted = {part: text for name in given.names or GUIDES for part, text in parts(name).items()}
    with ThreadPoolExecutor(given.jobs) as pool:
        good = pool.map(follow, wanted.values(), (Path.cwd() / part for part in wanted))
        failed = [part for part, went in zip(wanted, good, strict=True) if not went]
    print(f"\nnot as the guides say: {'; '.join(failed)}" if failed else "\nall as the guides say")
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
    said = _joined(done.stdout)
    missing = [line for line in step.shown if _joined(line) not in said]
    lines = [f"{folder.name} $ {shlex.join(words)}", done.stdout.rstrip("\n")]
    lines += [f"  exit code {done.returncode}, {time.perf_counter() - start:.0f} s"]
    lines += [f"  the guide says that this is printed: {line}" for line in missing]
    # At once, as others print as well.
    print("\n".join(lines), flush=True)
    return done.returncode == 0 and not missing


def _joined(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
