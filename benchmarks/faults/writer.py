"""A process that appends feedback until it is killed, and says what was acknowledged.

    python -m benchmarks.faults.writer URL NAME

It prints a line ``BATCH SIZE`` for each acknowledged batch, whose events are called ``NAME-BATCH-0`` and so on.
Every third batch is sent twice, as by a caller who missed the answer; one that failed is sent until it succeeds.
"""

from __future__ import annotations

import random
import sys
import time
from itertools import count

from polyscene.errors import FeedbackError
from polyscene.feedback import Event, Impression, Reaction, open_log

LARGEST = 30
_PAUSE_S = 0.05


def main() -> None:
    """Append batch after batch."""
    url, name = sys.argv[1:]
    log = open_log(url)
    chance = random.Random(name)
    for batch in count():
        events = [_event(f"{name}-{batch}-{place}", chance) for place in range(chance.randint(1, LARGEST))]
        for _ in range(2 if batch % 3 == 0 else 1):
            while True:
                try:
                    log.append(events)
                    break
                except FeedbackError:
                    time.sleep(_PAUSE_S)
        print(batch, len(events), flush=True)


def _event(event_id: str, chance: random.Random) -> Event:
    now, user = time.time(), str(chance.randrange(100))
    items = tuple(map(str, chance.sample(range(1000), 10)))
    if chance.random() < 0.5:
        return Reaction(event_id, now, "video", user, items[0], "click")
    return Impression(event_id, now, "video", user, items, tuple(chance.random() for _ in items), "v1", "greedy")


if __name__ == "__main__":
    main()
