"""Straddle study: the floating straddle, one kept as a position, the same weekday before, and every stored day.

`python notebooks/straddle_study.py --world sim:42` runs it; `make notebooks` opens it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Straddle study")


@app.cell
def _():
    import marimo as mo
    import pandas as pd
    from matplotlib import pyplot as plt

    import g6

    chosen = mo.cli_args()
    db = g6.connect(chosen.get("root"), chosen.get("world"))
    return db, mo, pd, plt


@app.cell
def _(db, mo):
    indices = sorted(db.catalog()["underlying"].unique())
    days = [str(day) for day in reversed(db.days())]
    index = mo.ui.dropdown(indices, value="NIFTY" if "NIFTY" in indices else indices[0], label="Index")
    day = mo.ui.dropdown(days, value=days[0], label="Day")
    sold_at = mo.ui.dropdown(["09:20", "09:30", "10:00", "11:00", "13:00"], value="09:20", label="Sold at")
    mo.vstack([mo.md("# Straddle study"), mo.hstack([index, day, sold_at], justify="start")])
    return day, index, sold_at


@app.cell
def _(day, db, index, mo, plt, sold_at):
    floating = db.straddle(index.value, "front", day.value)
    kept = db.straddle(index.value, "front", day.value, strike_of=sold_at.value)
    figure, panel = plt.subplots(figsize=(10, 4), layout="constrained")
    panel.plot(floating["snapshot_at"], floating["straddle"], color="tab:gray", label="at the money, floats")
    for strike, rows in kept.groupby("strike"):  # one, or none before that time
        panel.plot(rows["snapshot_at"], rows["straddle"], label=f"{strike:,.0f}, kept")
        panel.plot(rows["snapshot_at"], rows["vwap"], linestyle="--", label="its session VWAP")
    panel.set_title(f"{index.value} {day.value}, nearest expiry, points")
    panel.legend()
    mo.vstack([mo.md("The floating straddle is not the price of a position: its strike moves with the money."), figure])
    return


@app.cell
def _(day, db, index, mo, plt):
    overlay = db.weekday_overlay(index.value, "front", 0, day.value)
    behind = int(overlay["straddle_days"].max())
    if behind:
        against, axis = plt.subplots(figsize=(10, 3.5), layout="constrained")
        axis.plot(overlay["snapshot_at"], overlay["straddle"], label=day.value)
        axis.plot(
            overlay["snapshot_at"], overlay["straddle_mean"], linestyle="--", marker=".", label=f"mean of {behind}"
        )
        axis.legend()
        shown = against
    else:
        shown = mo.md("No earlier day of this weekday was as many sessions before its expiry.")
    mo.vstack([mo.md("## Against the same weekday"), shown])
    return


@app.cell
def _(db, index, pd, sold_at):
    columns = ["day", "strike", "sold", "bought", "profit", "worst"]

    def result_of(trade_date):
        rows = db.straddle(index.value, "front", trade_date, strike_of=sold_at.value)
        held = rows[rows["snapshot_at"].dt.strftime("%H:%M") >= sold_at.value].dropna(subset=["straddle"])
        if held.empty:
            return None
        sold, bought = held["straddle"].iloc[0], held["straddle"].iloc[-1]
        worst = sold - held["straddle"].max()
        return trade_date, rows["strike"].iloc[0], sold, bought, sold - bought, worst

    found = [result_of(trade_date) for trade_date in db.days(index.value)]
    results = pd.DataFrame([row for row in found if row], columns=columns)
    return (results,)


@app.cell
def _(mo, plt, results, sold_at):
    profits, bars = plt.subplots(figsize=(10, 3), layout="constrained")
    bars.bar(results["day"].astype(str), results["profit"], width=0.6)
    bars.margins(x=max(0.02, 0.4 / (1 + len(results))))
    bars.axhline(0, color="black", linewidth=0.8)
    bars.tick_params(axis="x", rotation=90)
    mo.vstack(
        [
            mo.md(
                f"## Every stored day, sold at {sold_at.value} and bought at the last price\n\n"
                "Points per unit, before costs; `worst` is the deepest loss on the way. A few days prove nothing."
            ),
            profits,
            mo.ui.table(results),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
