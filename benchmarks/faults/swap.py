"""A server is killed at random moments (``kill -9``) while versions are promoted and rolled back under requests.

Once with one worker, and once with several. Of these any process may be the first to go: the one above all, one
that loads or has loaded a version, or a worker; the one above follows, perhaps while another takes the place.

Two versions of a small generated run. Two threads ask and send feedback; one promotes and rolls back, over HTTP
and, as another process does it, in the deployment's folder. After each kill the folder is read and the server is
started again: it must serve what was promoted last; what was acknowledged must hold; every list that was given out
must be that of the version which it names; and the events that were acknowledged must be in the log once.

    python -m benchmarks.faults.swap                 50 kills of each, 10 minutes on two quiet cores
    python -m benchmarks.faults.swap --kills 2       nothing is written
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.asking import Asking, answers_of
from benchmarks.speed import many
from benchmarks.speed.figures import Figures
from benchmarks.speed.served import Service, processes_below
from polyscene.errors import PolysceneError
from polyscene.feedback import open_log
from polyscene.serving.client import Client
from polyscene.serving.deployment import Deployment
from polyscene.training.run import train

KILLS = 50
LONGEST_S = {1: 1.5, 2: 6.0}
"""By the number of workers: several exchange versions by exchanging processes, which takes longer."""
BESIDE, BACK = 0.2, 0.3
"""Share of changes by another process, which the server follows, and of those that roll back."""
SCENARIOS = many.NAMES[:2]
UNANSWERED = ("does not answer", "the server ends before", "its workers do not start (signal SIGKILL)")
"""What a change may be told whose process is killed: it may have happened, and nothing was acknowledged."""
_GONE_S = 60.0


@dataclass
class Found:
    """What was found over all kills so far."""

    kills: int = 0
    changes: int = 0
    lists: int = 0
    events: int = 0
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Kill, check, print and write ``results/swap_faults.json``; exit code 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"how often ({KILLS})")
    kills = parser.parse_args().kills
    figures, faults = Figures("swap_faults", "python -m benchmarks.faults.swap"), 0
    for workers in LONGEST_S:
        with tempfile.TemporaryDirectory() as folder:
            found = kill_servers(Path(folder), kills, workers=workers)
        print("".join(f"{fault}\n" for fault in found.faults), end="")
        counted = {
            "kills": found.kills,
            "promotions and rollbacks acknowledged": found.changes,
            "lists given out": found.lists,
            "events acknowledged": found.events,
            "faults": len(found.faults),
        }
        side = f"polyscene serve, {workers} worker{'s' if workers > 1 else ''}"
        for metric, value in counted.items():
            protocol = "kill -9 of the server while versions change under requests"
            figures.add(protocol, f"{len(SCENARIOS)} generated scenarios", side, metric, [value])
        faults += len(found.faults)
    figures.finish(whole=kills == KILLS)
    return 1 if faults else 0


def kill_servers(folder: Path, kills: int, *, workers: int = 1, seed: int = 0) -> Found:
    """Start a server and kill it at a random moment, again and again, on one deployment.

    Args:
        folder: for the deployment and two runs.
        kills: how often.
        workers: of the server.
        seed: of the moments.
    """
    chance, found = random.Random(seed), Found()
    runs = [_trained(folder / f"run{seed}", seed) for seed in (0, 1)]
    deployment = Deployment(folder / "deployment")
    versions = [deployment.adopt(run, by="benchmark") for run in runs]
    deployment.promote(versions[0], by="benchmark")
    right = {version: answers_of(folder / "deployment", version, SCENARIOS) for version in versions}
    acknowledged: list[str] = []
    for kill in range(kills):
        before = _state(deployment, found)
        with Service(None, folder / "deployment", "texts=false", f"workers={workers}") as server:
            asking = Asking(server.port, SCENARIOS, f"{kill}", right)
            changing = Changing(deployment, server.port, versions, random.Random(f"{seed}-{kill}"))
            if asking.serving() != before:
                found.faults.append(f"kill {kill}: '{asking.serving()}' serves, '{before}' was promoted")
            asking.start()
            changing.start()
            time.sleep(chance.uniform(0, LONGEST_S[workers]))
            _kill(server.process.pid, chance)
            asking.join()
            changing.join()
        found.kills += 1
        found.changes += len(changing.done)
        found.lists += asking.lists
        acknowledged += asking.acknowledged
        found.faults += [f"kill {kill}: {fault}" for fault in (*asking.faults, *changing.faults)]
        after = _state(deployment, found)
        # What was under way when the kill came may have happened or not; nothing else.
        possible = {changing.done[-1] if changing.done else before, *changing.under_way}
        if after not in possible:
            found.faults.append(f"kill {kill}: '{after}' is promoted, {sorted(possible)} were possible")
    found.events = len(acknowledged)
    found.faults += _lost(folder / "deployment" / "feedback.db", acknowledged)
    return found


class Changing(threading.Thread):
    """Promotes and rolls back until the server is gone, over HTTP and beside it.

    Attributes:
        done: what was promoted after each change that was acknowledged.
        under_way: what could be promoted by a change that was not.
    """

    def __init__(self, deployment: Deployment, port: int, versions: list[str], chance: random.Random) -> None:
        super().__init__()
        self.deployment, self.port, self.versions, self.chance = deployment, port, versions, chance
        self.done: list[str] = []
        self.under_way: list[str] = []
        self.faults: list[str] = []

    def run(self) -> None:
        """Change, and note what came of it."""
        with Client(f"http://127.0.0.1:{self.port}", timeout=60) as client:
            for _ in range(1_000):
                promoted = self.deployment.promoted()
                assert promoted is not None
                back = bool(promoted.before) and self.chance.random() < BACK
                other = next(one for one in self.versions if one != promoted.version)
                self.under_way = [promoted.before[-1] if back else other]
                try:
                    self.done.append(self._change(client, "" if back else other))
                except PolysceneError as error:
                    if not any(words in str(error) for words in UNANSWERED):
                        self.faults.append(str(error))
                    return
                self.under_way = []

    def _change(self, client: Client, version: str) -> str:
        """Promote a version, or roll back where it is empty; the version that is promoted then."""
        if self.chance.random() < BESIDE:
            change = self.deployment
            return (change.promote(version, by="beside") if version else change.roll_back(by="beside")).version
        return (client.promote(version) if version else client.roll_back()).promoted


def _kill(above: int, chance: random.Random) -> None:
    """Kill one process of a server, then the one above all; return when no process of it is left."""
    below = processes_below(above)
    victim = chance.choice([above, *below])
    os.kill(victim, signal.SIGKILL)
    if victim != above:
        time.sleep(chance.uniform(0, LONGEST_S[1]))
        below += processes_below(above)  # and those whose parent was the victim
        os.kill(above, signal.SIGKILL)
    end = time.monotonic() + _GONE_S
    while left := [pid for pid in below if Path(f"/proc/{pid}/exe").exists()]:
        if time.monotonic() > end:
            raise RuntimeError(f"processes {left} go on without the one above them")
        time.sleep(0.05)


def _state(deployment: Deployment, found: Found) -> str:
    """The version that is promoted, by files that must be whole."""
    try:
        deployment.audit.entries()
        promoted = deployment.promoted()
    except PolysceneError as error:
        found.faults.append(str(error))
        return ""
    return promoted.version if promoted else ""


def _lost(path: Path, acknowledged: list[str]) -> list[str]:
    log = open_log(str(path))
    kept = Counter(one.event.event_id for batch in log.read() for one in batch)
    log.close()
    missing = [name for name in acknowledged if kept[name] != 1]
    return [f"{len(missing)} events were lost or doubled, such as {missing[0]}"] if missing else []


def _trained(folder: Path, seed: int) -> Path:
    host = many.host()
    given = ("trainer=smoke", f"run.dir={folder}", f"seed={seed}")
    return train(many.config_of(host, len(SCENARIOS), *given, items=300, users=50, interactions=1_000), host)


if __name__ == "__main__":
    sys.exit(main())
