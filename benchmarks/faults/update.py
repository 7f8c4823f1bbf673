"""Updates are killed at random moments (``kill -9``) while feedback comes in.

After each kill the deployment is looked at: what is promoted must be whole, load and answer, every version must
hold what its name says, and along the chain of promoted versions every row of the log must have been learned once:
the cursor of each begins where that of the one before ended. The next update must be able to begin at once.
Updates run in processes that are forked from one that has loaded everything, so that kills fall into their work.

    python -m benchmarks.faults.update                 50 kills, about two minutes
    python -m benchmarks.faults.update --kills 3       nothing is written
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from polyscene.errors import PolysceneError
from polyscene.feedback import open_log
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Request
from polyscene.training.run import train
from tests.tiny import ALL, LIKES, SHOP, tiny_config, tiny_host
from tests.updating.feeding import engine_of, feed, new_taste, updated

KILLS, EVENTS = 50, 60
_OPTIONS = {"steps": 30, "budget": 10.0, "budget_in_all": 10.0}


@dataclass
class Found:
    """What was found over all kills so far."""

    kills: int = 0
    too_late: int = 0
    promoted: int = 0
    learned: int = 0
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Kill, check, print and write ``results/update_faults.json``; exit code 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"how often ({KILLS})")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_updates(Path(folder), arguments.kills)
    print(
        f"kill -9 of updates: {found.kills} kills, {found.too_late} updates had ended before, {found.promoted} "
        f"promoted, {found.learned} rows learned, {len(found.faults)} faults"
    )
    print("".join(f"  {fault}\n" for fault in found.faults), end="")
    if arguments.kills == KILLS:
        _write(found)
    return 1 if found.faults else 0


def kill_updates(folder: Path, kills: int, *, seed: int = 0) -> Found:
    """Feed a deployment, update it and kill that at a random moment, again and again.

    Args:
        folder: an empty one.
        kills: how often.
        seed: of the moments.
    """
    train(
        tiny_config(folder / "run", ALL, "trainer.steps=60", "trainer.eval_every=20", "controls=[]"), tiny_host()
    )
    deployment, chance, found = Deployment(folder / "deployment"), random.Random(seed), Found()
    deployment.promote(deployment.adopt(folder / "run", by="faults"), by="faults")
    events = 0
    longest = 0.0
    while found.kills < kills:
        feed(deployment, new_taste(EVENTS, first=events, seed=events))
        events += EVENTS
        started = time.monotonic()
        child = _update(deployment)
        # The first is left alone, to know how long one takes.
        ended = _ended(child, started + chance.uniform(0, 1.1 * longest) if longest else float("inf"))
        if ended is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            found.kills += 1
        else:
            longest = longest or time.monotonic() - started
            found.too_late += 1
            found.faults += [f"an update ended with code {ended}"] if ended else []
        found.faults += _look(deployment)
    outcome = updated(deployment, **_OPTIONS)
    found.faults += _look(deployment)
    chain = _chain(deployment)
    found.promoted = len(chain) - 1
    last = deployment.path_of(chain[-1])
    told = json.loads((last / "update.json").read_text())["scenarios"] if found.promoted else {}
    found.learned = sum(_facts(deployment, name)["learned_rows"] for name in chain[1:])
    with closing(open_log(str(deployment.folder / "feedback.db"))) as log:
        known = log.last()
    if known != events or (not outcome.updated and told.get(LIKES, {}).get("seen") != known):
        found.faults.append(f"{events} events were fed, the log ends with {known}, the last version saw {told}")
    if found.promoted and found.learned != told[LIKES]["to"]:
        found.faults.append(f"{found.learned} rows were learned, and the cursor is at {told[LIKES]['to']}")
    return found


def _update(deployment: Deployment) -> int:
    """An update in a process of its own; its id."""
    child = os.fork()
    if not child:
        code = 1
        try:
            updated(deployment, **_OPTIONS)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def _ended(child: int, until: float) -> int | None:
    """The exit code of a process that ended before a moment; None for one that did not."""
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return None


def _look(deployment: Deployment) -> list[str]:
    """What is wrong with a deployment."""
    faults = []
    for name in deployment.versions():
        whole = deployment.version_of(deployment.path_of(name))
        if whole.rpartition("-")[2] != name.rpartition("-")[2]:
            faults.append(f"version '{name}' holds something else than its name says")
    chain = _chain(deployment)
    try:
        engine = engine_of(deployment, chain[-1])
        faults += [
            f"version '{chain[-1]}': {one}"
            for one in engine.answer([Request(LIKES, "u01"), Request(SHOP, "u01")])
            if isinstance(one, PolysceneError)
        ]
    except PolysceneError as error:
        faults.append(f"version '{chain[-1]}' cannot be loaded: {error}")
    cursor = 0
    for before, name in pairwise(chain):
        facts = _facts(deployment, name)
        if facts["parent"] != before:
            faults.append(f"version '{name}' does not come from '{before}', in whose place it serves")
        if facts["from"] != cursor or facts["to"] - facts["from"] != facts["learned_rows"]:
            faults.append(f"version '{name}' learned {facts}, the one before up to {cursor}")
        cursor = facts["to"]
    promoted = [entry["version"] for entry in deployment.audit.entries() if entry["action"] == "promote"]
    if not set(chain) <= set(promoted):
        faults.append(f"{set(chain) - set(promoted)} is promoted and not in the audit log")
    return faults


def _chain(deployment: Deployment) -> list[str]:
    """What was promoted one after the other."""
    now = deployment.promoted()
    assert now is not None
    return [*now.before, now.version]


def _facts(deployment: Deployment, version: str) -> dict:
    told = json.loads((deployment.path_of(version) / "update.json").read_text())
    return {"parent": told["parent"], **told["scenarios"][LIKES]}


def _write(found: Found) -> None:
    from benchmarks.results import write_results

    figures = {"kills": found.kills, "promoted": found.promoted, "faults": len(found.faults)}
    rows = [
        {
            "protocol": f"kill -9 at a random moment, {EVENTS} reactions before each update",
            "scenario": "updates",
            "method": "polyscene update",
            "metric": metric,
            "mean": value,
            "std": None,
            "seeds": [0],
            "command": "python -m benchmarks.faults.update",
        }
        for metric, value in figures.items()
    ]
    write_results("update_faults", rows)


if __name__ == "__main__":
    sys.exit(main())
