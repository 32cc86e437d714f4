"""What a process counted of its calls to Kite, as the plain numbers of `metrics_state`."""

from collections import defaultdict
from collections.abc import Mapping

from g6_resources.kite.calls import CallStats
from g6_resources.kite.limiter import Limiter
from g6_resources.metrics_state import BOUND_NAMES, Figures


def figures_of(stats: Mapping[tuple[str, str], CallStats], retries: Mapping[str, int], limiter: Limiter) -> Figures:
    """Return calls by endpoint and result, their times by endpoint, retries by endpoint and waits by family of limits.

    `call_times` counts by endpoint and upper bound; each call stands under one bound only.
    """
    calls = {f"{endpoint}/{result}": float(one.calls) for (endpoint, result), one in stats.items()}
    times: defaultdict[str, float] = defaultdict(float)
    seconds: defaultdict[str, float] = defaultdict(float)
    for (endpoint, _), one in stats.items():
        seconds[endpoint] += one.seconds
        for bound, count in zip(BOUND_NAMES, one.within, strict=True):
            times[f"{endpoint}/{bound}"] += count
    return {
        "calls": calls,
        "call_times": dict(times),
        "call_seconds": dict(seconds),
        "retries": {endpoint: float(count) for endpoint, count in retries.items()},
        "limiter_waits": {family: float(count) for family, count in limiter.waits.items()},
        "limiter_seconds": dict(limiter.waited_seconds),
    }
