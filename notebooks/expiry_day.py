"""Expiry-day behaviour: how straddles of the last day decay, and how far the settlement was from max pain.

`python notebooks/expiry_day.py --world sim:42` runs it; `make notebooks` opens it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Expiry days")


@app.cell
def _():
    import marimo as mo
    from matplotlib import pyplot as plt

    import g6

    chosen = mo.cli_args()
    db = g6.connect(chosen.get("root"), chosen.get("world"))
    return db, mo, plt


@app.cell
def _(db, mo):
    indices = sorted(db.catalog()["underlying"].unique())
    index = mo.ui.dropdown(indices, value="NIFTY" if "NIFTY" in indices else indices[0], label="Index")
    mo.vstack([mo.md("# Expiry days"), index])
    return (index,)


@app.cell
def _(db, index):
    last_days = db.sql(
        "SELECT trade_date, snapshot_at, forward, spot, atm_strike, straddle, atm_iv, max_pain, settlement_window "
        "FROM expiry_overview WHERE underlying = $index AND expiry = trade_date ORDER BY snapshot_at",
        {"index": index.value},
    )
    return (last_days,)


@app.cell
def _(index, last_days, mo, plt):
    if last_days.empty:
        decay = mo.md(f"No expiry day of {index.value} is stored yet.")
    else:
        decay, axis = plt.subplots(figsize=(10, 4), layout="constrained")
        for trade_date, rows in last_days.groupby("trade_date"):
            hours = (rows["snapshot_at"] - rows["snapshot_at"].dt.normalize()).dt.total_seconds() / 3600
            first = rows["straddle"].dropna()
            if len(first):
                axis.plot(hours, rows["straddle"] / first.iloc[0] * 100, marker=".", label=f"{trade_date:%d %b %Y}")
        axis.set_xlabel("hour of the day")
        axis.set_title("At-the-money straddle, % of its first price")
        axis.legend()
    mo.vstack([mo.md("## Decay\n\nThe money moves, so a straddle may rise on the way."), decay])
    return


@app.cell
def _(last_days, mo):
    closes = last_days.groupby("trade_date").agg(
        spot_first=("spot", "first"), spot_last=("spot", "last"), max_pain=("max_pain", "last"),
        straddle_first=("straddle", "first"),
    ).reset_index()  # fmt: skip
    closes["moved"] = (closes["spot_last"] - closes["spot_first"]).abs()
    closes["seller_kept"] = closes["straddle_first"] - closes["moved"]
    closes["from_max_pain"] = closes["spot_last"] - closes["max_pain"]
    mo.vstack(
        [
            mo.md(
                "## What was priced in, and what came\n\n`seller_kept` is the first straddle less the move of the "
                "index until the last snapshot: about what a straddle held to the settlement brought, in points."
            ),
            mo.ui.table(closes),
        ]
    )
    return


@app.cell
def _(last_days, mo):
    quiet = last_days[~last_days["settlement_window"]].groupby("trade_date")["atm_iv"].last()
    window = last_days[last_days["settlement_window"]].groupby("trade_date")["atm_iv"].last()
    volatility = quiet.to_frame("before_the_window").join(window.rename("in_the_window")).reset_index()
    mo.vstack(
        [
            mo.md(
                "## The settlement window\n\nThe settlement is an average of the last half hour, so implied volatility "
                "falls there for that reason alone. Leave those rows out of statistics."
            ),
            mo.ui.table(volatility),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
