"""Data quality: what is missing and why, how late snapshots came, and where every row is from.

`python notebooks/data_quality.py --world sim:42` runs it; `make notebooks` opens it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Data quality")


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
    catalog = db.catalog()
    days = [str(day) for day in reversed(db.days())]
    day = mo.ui.dropdown(days, value=days[0], label="Day")
    mo.vstack([mo.md("# Data quality\n\nEvery series, with the snapshots that it lacks:"), mo.ui.table(catalog), day])
    return (day,)


@app.cell
def _(day, db, mo, plt):
    gaps = db.gaps(day.value)
    if gaps.empty:
        shown = mo.md(f"**Nothing is missing of {day.value}.**")
    else:
        shown, axis = plt.subplots(figsize=(10, 3), layout="constrained")
        for cause, rows in gaps.groupby("cause"):
            axis.scatter(rows["snapshot_at"], rows["underlying"], marker="|", s=200, label=cause)
        axis.legend()
    mo.vstack([mo.md("## Gaps of the day"), shown, mo.ui.table(gaps)])
    return


@app.cell
def _(day, db, mo):
    causes = db.sql(
        "SELECT trade_date, outcome, cause, count(*) AS chains, sum(missing_legs) AS missing_legs FROM gaps "
        "WHERE trade_date > CAST($day AS DATE) - 30 AND trade_date <= CAST($day AS DATE) GROUP BY ALL ORDER BY ALL",
        {"day": day.value},
    )
    mo.vstack([mo.md("## A month of causes"), mo.ui.table(causes)])
    return


@app.cell
def _(day, db, mo, plt):
    took = db.sql(
        "SELECT snapshot_at, max(latency_ms) / 1000 AS seconds, sum(returned) / sum(requested) AS returned "
        "FROM snapshots WHERE trade_date = CAST($day AS DATE) GROUP BY snapshot_at ORDER BY snapshot_at",
        {"day": day.value},
    )
    figure, axes = plt.subplots(2, 1, figsize=(10, 4), layout="constrained", sharex=True)
    axes[0].plot(took["snapshot_at"], took["seconds"], marker=".")
    axes[0].set_title("From due to the last answer, seconds")
    axes[1].plot(took["snapshot_at"], took["returned"] * 100, marker=".")
    axes[1].set_title("Legs that came, % of those asked for")
    mo.vstack([mo.md("## How it came"), figure])
    return


@app.cell
def _(day, db, mo):
    sources = db.sql(
        "SELECT underlying, source, price_source, iv_reason, count(*) AS legs FROM option_chain "
        "WHERE trade_date = CAST($day AS DATE) GROUP BY ALL ORDER BY ALL",
        {"day": day.value},
    )
    mo.vstack(
        [
            mo.md(
                "## Where the rows are from\n\n`source`: quote as captured, candle healed from Kite's candles, import "
                "brought in. `iv_reason`: why a leg has no volatility."
            ),
            mo.ui.table(sources),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
