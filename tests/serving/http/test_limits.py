"""Rate limits: so many at once, so many a second in the long run, each caller apart."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from polyscene.serving.limits import RateLimit

# After these, who waited as told lacked 1e-13 of a request.
ROUNDED = [0.7070085888125095, 0.014203153206901704, 0.5340500329721842, *[0.0] * 5, 1.517467657169458]
ROUNDED += [1.3490073253157353, 0.0, 0.0]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(rate=2, burst=3, clock=clock)
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert limit.wait("b") == 0
    clock.now += 0.5
    assert [limit.wait("a") for _ in range(2)] == [0, 1]


def test_no_rate_is_no_limit() -> None:
    limit = RateLimit(rate=0, burst=1)
    assert not any(limit.wait("a") for _ in range(100))


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.floats(0.5, 20), st.integers(1, 10))
@example(ROUNDED, 0.5, 1)
def test_never_more_than_burst_and_rate_allow(pauses: list[float], rate: float, burst: int) -> None:
    clock, allowed = Clock(), 0
    limit = RateLimit(rate, burst, clock=clock)
    for pause in pauses:
        clock.now += pause
        wait = limit.wait("a")
        allowed += wait == 0
        assert allowed <= burst + rate * (clock.now - 1000.0) + 1e-6
        if wait:
            clock.now += wait
            assert limit.wait("a") == 0, "whoever waits as told is let through"
            allowed += 1
