"""Requests that an engine answers, in process: five generated scenarios, one request at a time and 64 together.

Each scenario has so many items with id, category and number, and 2,000 users with 30 rows; requests are of users
drawn at random, of all scenarios in turn, for 10 items. With priors, co-occurrence, recent popularity and personal
frequency are added to the network's scores, so that all items are scored; without, scores are inner products. The
weights stay as they start, which costs the same. Sides take turns; times are those of one thread, and processor
seconds stand beside them, which other load on the machine moves less. Beside requests, the cost of a new item.

    python -m benchmarks.speed.serving_engine                      # about 4 minutes on two quiet cores
    python -m benchmarks.speed.serving_engine --sizes 10000 --rounds 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
import torch

from benchmarks.speed.figures import Figures
from benchmarks.speed.latency import add_percentiles, in_turns
from benchmarks.speed.many import config_of, host
from polyscene.serving.engine import Answer, Engine, Request
from polyscene.serving.engine.shelves import shelves_of
from polyscene.training.assembly import build_model
from polyscene.training.session import Session, prepare_torch

SIZES, SCENARIOS, USERS, ROWS, TOGETHER, REQUESTS = (10_000, 100_000), 5, 2_000, 30, 64, 128
PRIORS = ("co_occurrence", "recent_popularity", "personal_frequency")


def main() -> None:
    """Measure, print and write ``results/serving_engine.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="items; nothing is written then")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of measurements (7)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    figures = Figures("serving_engine", "python -m benchmarks.speed.serving_engine")
    for size in given.sizes:
        for method, priors in (("without priors", ()), ("with priors", PRIORS)):
            measure(figures, build(size, priors), method, size, given.rounds)
    figures.finish(whole=tuple(given.sizes) == SIZES)


def measure(figures: Figures, engine: Engine, method: str, size: int, rounds: int) -> None:
    """One request at a time, many together, and an item that comes."""
    place = f"{SCENARIOS} generated scenarios, from request to answer, k = 10, one thread", f"{size:,} items each"
    one, many = asking(engine, 1), asking(engine, TOGETHER)
    sides = {f"{method}, one request": one, f"{method}, {TOGETHER} requests together": many}
    for (side, ask), count in zip(sides.items(), (REQUESTS, max(8, REQUESTS // TOGETHER)), strict=True):
        started = time.process_time()
        times_RM = in_turns({side: ask}, rounds, count)[side]
        spent = (time.process_time() - started) / (rounds * count + 1)
        add_percentiles(figures, *place, side, times_RM)
        batch = 1 if ask is one else TOGETHER
        figures.add(*place, side, "processor ms a request", [1e3 * spent / batch])
        figures.add(*place, side, "requests a second", (batch / times_RM.mean(axis=1)).tolist())
    name = next(iter(engine.shelves))
    put = [spent_on(lambda number=number: new_item(engine, name, number)) for number in range(3)]
    figures.add(*place, method, "processor ms for a new item", put)


def asking(engine: Engine, count: int) -> Callable[[], None]:
    """Asks so many requests of all scenarios in turn, other ones every time."""
    generator = np.random.default_rng(0)
    users = {name: list(shelf.users) for name, shelf in engine.shelves.items()}
    drawn = [
        Request(name, users[name][generator.integers(len(users[name]))])
        for name in islice(cycle(engine.shelves), SCENARIOS * REQUESTS)
    ]
    requests = cycle(drawn)

    def ask() -> None:
        answers = engine.answer(list(islice(requests, count)))
        assert all(isinstance(answer, Answer) and len(answer.items) == 10 for answer in answers)

    return ask


def new_item(engine: Engine, name: str, number: int) -> None:
    """A further item of a scenario."""
    engine.put_items(name, [{"item_id": f"new{number}", "group": "group 1", "price": 5.0}])


def spent_on(action: Callable[[], None]) -> float:
    """Processor milliseconds."""
    started = time.process_time()
    action()
    return 1e3 * (time.process_time() - started)


def build(size: int, priors: tuple[str, ...]) -> Engine:
    """An engine of a model that learned nothing."""
    plugins = host()
    config = config_of(plugins, SCENARIOS, users=USERS, items=size, interactions=USERS * ROWS)
    for options in config.scenario.values():
        options.priors = list(priors)
    prepare_torch(config)
    session = Session(config, plugins, torch.device("cpu"), say=lambda _: None)
    loaded = session.load()
    model = build_model(session, loaded)[0].eval()
    return Engine(shelves_of(session, model, loaded.scenarios), "generated")


if __name__ == "__main__":
    main()
