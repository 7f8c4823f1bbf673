"""A scenario with few labels: each of the five held out in turn, and a model of the other four adapted to it.

    python -m benchmarks.quality.few_shot
    python -m benchmarks.quality.few_shot --scenarios music social --shots 16 64 --draws 3
    python -m benchmarks.quality.few_shot --starts multitask

For each scenario two models are trained on the others, with ``strategy=multitask`` and ``strategy=meta``;
``polyscene adapt`` then adds the scenario with 1, 4, 16, 64 and 256 of its rows labelled, over ten draws of
these rows. Beside the adapted models stand the same model without adaptation, the same model trained from
scratch on the shots alone, and popularity counted on the shots. Rankings are full, on the scenario's own test
rows; users are served with their whole past as history, of which nothing is learned.

Finished trainings and adaptations are remembered in a folder outside the tree by their commands, so that a run
that was stopped goes on where it was; with all shots and draws of a scenario, its rows on file are replaced. The
aim is that at 16 and 64 shots the adapted model is above scratch and no adaptation by more than the standard
deviations over draws together; what is and what is not is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.quality.protocols import PLAIN
from benchmarks.quality.seeds import OverSeeds
from benchmarks.results import update_results
from polyscene.data.files import atomic_path
from polyscene.report import read_metrics
from polyscene.report.few_shot import ShotCurve, shot_curves, shot_table

SCENARIOS = ("ecommerce", "video", "music", "social", "kg")
SHOTS = (1, 4, 16, 64, 256)
DRAWS = 10
STARTS = ("multitask", "meta")
AIMED_AT = (16, 64)
COMMAND = "python -m benchmarks.quality.few_shot"
TRAINING = ("controls=[]", "trainer.steps=200", "trainer.eval_every=50", "trainer.threads=1")
# The published protocols take no items out; the friends are those of the listeners.
_OPTIONS = {
    "video": (PLAIN[0],),
    "ecommerce": (PLAIN[1],),
    "social": ("scenario.social.dataset=lastfm_2k",),
}
_POLYSCENE = [sys.executable, "-c", "from polyscene.cli.app import main; raise SystemExit(main())"]


def training(held: str, start: str) -> list[str]:
    """Arguments of ``polyscene train``: all scenarios but one."""
    names = [name for name in SCENARIOS if name != held]
    options = [option for name in names for option in _OPTIONS.get(name, ())]
    return [f"scenario=[{','.join(names)}]", f"strategy={start}", *TRAINING, *options]


def adapting(held: str, shots: Sequence[int], draw: int, *, controls: bool) -> list[str]:
    """Arguments of ``polyscene adapt`` beside the run: one draw, so that a run that is stopped loses little."""
    shown = "[no_adaptation,scratch,popularity]" if controls else "[no_adaptation]"
    numbers = ",".join(map(str, shots))
    return [
        f"scenario={held}",
        f"shots=[{numbers}]",
        f"draws=[{draw}]",
        f"controls={shown}",
        "threads=1",
        *_OPTIONS.get(held, ()),
    ]


def polyscene(command: str, arguments: Sequence[str]) -> None:
    """Run a command.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [*_POLYSCENE, command, *arguments]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"polyscene {command} {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def trained(held: str, start: str, folder: Path) -> Path:
    """The run without a scenario; made when it is first asked for, and continued where it was stopped."""
    arguments = training(held, start)
    run = folder / f"without-{held}-{start}-{_key(arguments)}"
    if not (run / "metrics.json").is_file():
        polyscene("train", [*arguments, f"run.dir={run}"])
    return run


def adapted(held: str, start: str, shots: Sequence[int], draw: int, folder: Path) -> list[dict[str, Any]]:
    """Rows of ``few_shot`` of one draw, with the start in the method's name; kept when they were made before."""
    arguments = adapting(held, shots, draw, controls=start == STARTS[0])
    kept = folder / f"{held}-{start}-{draw}-{_key([*training(held, start), *arguments])}.json"
    if not kept.is_file():
        into = kept.with_suffix(".run")
        shutil.rmtree(into, ignore_errors=True)
        polyscene("adapt", [f"run={trained(held, start, folder)}", *arguments, f"into={into}"])
        rows = [_named(row, start) for row in read_metrics(into)["few_shot"] if row["population"] == "warm"]
        with atomic_path(kept) as temporary:
            temporary.write_text(json.dumps(rows), encoding="utf-8")
        shutil.rmtree(into)
    return json.loads(kept.read_text(encoding="utf-8"))


def _named(row: dict[str, Any], start: str) -> dict[str, Any]:
    """The same row, with where the model came from in the method's name."""
    ours = row["method"] in {"adapted", "no_adaptation"} and start != STARTS[0]
    return {**row, "method": f"{row['method']}_{start}"} if ours else row


def _key(arguments: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(arguments).encode()).hexdigest()[:12]


def summarized(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of the results file: mean and standard deviation over draws, which stand in the place of seeds."""
    figures = OverSeeds(COMMAND)
    for row in rows:
        protocol = f"{row['shots']} shots; view {row['view']}, {row['population']}"
        figures.add((protocol, row["scenario"], row["method"], row["metric"]), row["draw"], row["value"])
    yield from figures.rows()


def reached(curve: ShotCurve) -> list[str]:
    """What is said of a curve at the numbers of shots that the aim is about."""
    wanted = tuple(f"{shots} shots:" for shots in AIMED_AT)
    return [line for line in curve.verdicts() if line.startswith(wanted)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, print it, and write what is whole to ``results/few_shot.json``."""
    parser = argparse.ArgumentParser(description="few labels: each scenario held out in turn")
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=SCENARIOS)
    parser.add_argument("--starts", nargs="*", default=list(STARTS), choices=STARTS)
    parser.add_argument("--shots", nargs="*", type=int, default=list(SHOTS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--jobs", type=int, default=2, help="commands at a time, one thread each (default 2)")
    parser.add_argument("--folder", type=Path, default=_default_folder(), help="where work is remembered")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=200)
    rows: list[dict[str, Any]] = []
    runs = [(held, start) for held in given.scenarios for start in given.starts]

    def finish(held: str, start: str, draw: int) -> list[dict[str, Any]]:
        found = adapted(held, start, sorted(given.shots), draw, given.folder)
        console.print(f"{held}, from {start}: draw {draw} is finished")
        return found

    with ThreadPoolExecutor(given.jobs) as pool:
        # First all that is adapted, so that no two draws wait for, or make, the same run.
        for made in [pool.submit(trained, held, start, given.folder) for held, start in runs]:
            made.result()
        draws = {run: [pool.submit(finish, *run, draw) for draw in range(given.draws)] for run in runs}
    for held in given.scenarios:
        own = [row for start in given.starts for draw in draws[held, start] for row in draw.result()]
        for curve in shot_curves(own):
            console.print(shot_table(curve))
            for line in reached(curve):
                console.print(line)
        rows += own
    if set(given.shots) >= set(SHOTS) and given.draws >= DRAWS:
        path = update_results("few_shot", list(summarized(rows)))
        console.print(f"written to {path}; now run python -m benchmarks.render")


def _default_folder() -> Path:
    cache = os.environ.get("POLYSCENE_CACHE")
    return (Path(cache) if cache else Path.home() / ".cache" / "polyscene") / "suites"


if __name__ == "__main__":
    main()
