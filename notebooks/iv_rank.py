"""IV rank: where volatility stands among earlier days, against what the index did, and along the expiries.

`python notebooks/iv_rank.py --world sim:42` runs it; `make notebooks` opens it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="IV rank")


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
    mo.vstack([mo.md("# IV rank"), index])
    return (index,)


@app.cell
def _(db, index, mo):
    summary = db.daily_summary(index.value)
    columns = ["trade_date", "iv30_1500", "iv30_rank", "iv30_percentile", "iv30_days_used", "realised_vol_20",
               "iv30_less_realised", "vix_close", "vix_rank"]  # fmt: skip
    mo.vstack(
        [
            mo.md(
                "A row a sealed day. Ranks are 0 to 1 among up to 252 earlier days and empty under 60; realised "
                "volatility wants 20 days."
            ),
            mo.ui.table(summary[columns]),
        ]
    )
    return (summary,)


@app.cell
def _(index, mo, plt, summary):
    if summary.empty:
        shown = mo.md("No day is sealed yet, so nothing can be compared.")
    else:
        figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
        axis.plot(summary["trade_date"], summary["iv30_1500"] * 100, marker=".", label="iv30 at 15:00")
        axis.plot(summary["trade_date"], summary["atm_iv_1500"] * 100, marker=".", label="front at the money, 15:00")
        axis.plot(summary["trade_date"], summary["realised_vol_20"] * 100, marker=".", label="realised, 20 days")
        axis.plot(summary["trade_date"], summary["vix_close"], marker=".", label="India VIX")
        axis.set_title(f"{index.value}, %")
        axis.legend()
        figure.autofmt_xdate()
        shown = figure
    shown
    return


@app.cell
def _(db, index, mo, plt):
    term = db.term_structure(index.value)
    surface = db.surface(index.value)
    curves, (along, across) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    along.plot(term["days"], term["atm_iv"] * 100, marker="o")
    along.set_xlabel("days to expiry")
    along.set_title("At the money, %")
    for expiry, rows in surface.groupby("expiry"):
        across.plot(rows["log_moneyness"], rows["iv"] * 100, marker=".", label=f"{expiry:%d %b}")
    across.set_xlabel("ln(strike / forward)")
    across.set_title("Smile of each expiry, %")
    across.legend()
    mo.vstack([mo.md(f"## As of {term['snapshot_at'].iloc[0]:%a %d %b %Y %H:%M}"), curves, mo.ui.table(term)])
    return


if __name__ == "__main__":
    app.run()
