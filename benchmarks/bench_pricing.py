"""How fast legs are priced, on one core, and how soon a new process has its first answer.

CPU seconds are counted, not wall time, as the machine is shared. `python -m benchmarks.bench_pricing` prints its
results as JSON.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import QuantLib
from py_lets_be_rational.lets_be_rational import implied_volatility_from_a_transformed_rational_guess

from g6_market.pricing import black76
from g6_market.pricing.legs import LegPricing, price_legs

PREDECESSOR_LEGS_PER_SECOND = 32_000
LEGS, OTHERS_LEGS = 1_000_000, 20_000
RATE, TICK = 0.065, 0.05

FIRST_CALL = """
import time
import numpy as np
wall, cpu = time.perf_counter(), time.process_time()
from g6_market.pricing.legs import price_legs
price_legs(strike=25_100.0, is_call=True, bid=99.9, ask=100.1, last=100.0, traded=True,
           forward=25_000.0, t_years=7 / 365, rate=0.065, tick=0.05, pair=[-1])
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def market(legs: int) -> dict[str, Any]:
    """Call and put of ATM +- 20 strikes, one hour to 60 days, a smile, books of a few ticks, one in ten without bid."""
    rng = np.random.default_rng(1)
    chains = -(-legs // 82)
    t_years = np.repeat(np.exp(rng.uniform(math.log(1 / 8_760), math.log(60 / 365), chains)), 82)[:legs]
    forward = np.repeat(rng.uniform(24_000, 26_000, chains), 82)[:legs]
    rank = np.tile(np.repeat(np.arange(-20, 21), 2), chains)[:legs]
    strike = 50.0 * (np.round(forward / 50) + rank)
    is_call = np.arange(legs) % 2 == 0
    x = np.log(strike / forward) / np.sqrt(t_years)
    smile = 0.12 + 0.03 * np.minimum(x * x, 4.0) - 0.02 * np.clip(x, -2, 2)
    fair = black76.price(forward, strike, t_years, np.exp(-RATE * t_years), smile, is_call)
    bid = np.floor(fair * 0.999 / TICK) * TICK
    ask = np.maximum(np.ceil(fair * 1.001 / TICK), bid / TICK + 1) * TICK
    last = np.maximum(np.round(fair / TICK), 1) * TICK
    bid = np.where((bid > 0) & (rng.random(legs) < 0.9), bid, np.nan)
    return {
        "strike": strike,
        "is_call": is_call,
        "bid": bid,
        "ask": ask,
        "last": last,
        "traded": rng.random(legs) < 0.9,
        "forward": forward,
        "t_years": t_years,
        "rate": np.full(legs, RATE),
        "tick": np.full(legs, TICK),
        "pair": np.arange(legs) ^ 1,
    }


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of some repeats."""
    seconds: list[float] = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def others_legs_per_second(legs: dict[str, Any], priced: LegPricing) -> dict[str, float]:
    """Rates of two references on the same legs out of the money, called leg by leg as they offer no columns."""
    out = legs["is_call"] == (legs["strike"] >= legs["forward"])
    rows = np.flatnonzero((priced.reason == 0) & out)[:OTHERS_LEGS]
    columns = (legs["strike"], legs["forward"], legs["t_years"], priced.price, legs["is_call"])
    cases = list(zip(*(column[rows].tolist() for column in columns), strict=True))

    def quantlib() -> None:
        for strike, forward, t, price, is_call in cases:
            kind, discount = QuantLib.Option.Call if is_call else QuantLib.Option.Put, math.exp(-RATE * t)
            s = QuantLib.blackFormulaImpliedStdDevLiRS(kind, strike, forward, price, discount)
            greeks = QuantLib.BlackCalculator(QuantLib.PlainVanillaPayoff(kind, strike), forward, s, discount)
            greeks.deltaForward(), greeks.gammaForward(), greeks.vega(t), greeks.theta(forward, t), greeks.rho(t)

    def jaeckel() -> None:
        for strike, forward, t, price, is_call in cases:
            implied_volatility_from_a_transformed_rational_guess(
                price * math.exp(RATE * t), forward, strike, t, 1.0 if is_call else -1.0
            )

    return {work.__name__: len(cases) / cpu_seconds(work, 1) for work in (quantlib, jaeckel)}


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    legs = market(LEGS)

    def ours() -> LegPricing:
        priced = price_legs(**legs)
        discount = np.exp(-legs["rate"] * legs["t_years"])
        model = black76.price(legs["forward"], legs["strike"], legs["t_years"], discount, priced.iv, legs["is_call"])
        np.multiply(-0.01 * legs["t_years"], model)  # rho, the fifth
        return priced

    priced = ours()
    rate = LEGS / cpu_seconds(ours, 5)
    without_rho = LEGS / cpu_seconds(lambda: price_legs(**legs), 5)
    others = others_legs_per_second(legs, priced)
    command = [sys.executable, "-c", FIRST_CALL]
    root = Path(__file__).parent.parent
    runs = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    wall, cpu = min(tuple(float(part) for part in run.split()) for run in runs)
    return [
        {
            "name": "iv_greeks_legs_per_second",
            "value": round(rate),
            "unit": "legs/s",
            "better": "higher",
            "baseline": PREDECESSOR_LEGS_PER_SECOND,
            "ratio": round(rate / PREDECESSOR_LEGS_PER_SECOND, 1),
            "note": f"{LEGS:,} legs, one core: price choice with its spread test, own and shared IV, five greeks; "
            f"{without_rho:,.0f} as stored (rho is a view column). In the same run QuantLib (IV, greeks) "
            f"{others['quantlib']:,.0f}, py_lets_be_rational (IV alone) {others['jaeckel']:,.0f}",
        },
        {
            "name": "pricing_first_call_seconds",
            "value": round(wall, 3),
            "unit": "s",
            "better": "lower",
            "baseline": None,
            "ratio": None,
            "note": "wall, new process with a warm cache, from import to the first priced leg (limit 0.3); "
            f"CPU {cpu:.3f} s",
        },
    ]


if __name__ == "__main__":
    print(json.dumps(results(), indent=2))
