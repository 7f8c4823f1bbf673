"""Rate limits: a bucket of requests for each caller, refilled steadily."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_CALLERS = 10_000
_ROUNDING = 1e-9  # who waited as told may lack this much of a request


class RateLimit:
    """Token buckets by caller (https://en.wikipedia.org/wiki/Token_bucket).

    Args:
        rate: requests a second in the long run; 0 does not limit.
        burst: requests at once.
        clock: seconds that only ever rise; those of the wall may jump.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = rate, max(1.0, burst), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> int:
        """Take one request of a caller: 0 where it may go on, else the whole seconds until it might."""
        if self.rate == 0:
            return 0
        now = self._clock()
        left, then = self._left.pop(caller, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        allowed = left >= 1 - _ROUNDING
        self._left[caller] = (max(0.0, left - allowed), now)
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) / self.rate))
