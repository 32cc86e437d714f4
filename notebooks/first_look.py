"""First look: what is stored, the index through a day, its chain at a minute.

`make notebooks` opens all of them; `python notebooks/first_look.py` runs this one. `--world sim:42` or `--root FOLDER`
names another world than the newest.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="First look")


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
    mo.vstack([mo.md(f"# First look\n\nWhat `{db.root.name}` holds, a line a series:"), mo.ui.table(catalog)])
    return (catalog,)


@app.cell
def _(catalog, db, mo):
    indices = sorted(catalog["underlying"].unique())
    days = [str(day) for day in reversed(db.days())]
    index = mo.ui.dropdown(indices, value="NIFTY" if "NIFTY" in indices else indices[0], label="Index")
    day = mo.ui.dropdown(days, value=days[0], label="Day")
    mo.hstack([index, day], justify="start")
    return day, index


@app.cell
def _(day, db, index, plt):
    overview = db.overview(index.value, day.value)
    figure, (spot, ratio) = plt.subplots(2, 1, figsize=(10, 5), layout="constrained", sharex=True)
    spot.plot(overview["snapshot_at"], overview["spot"], label="spot")
    spot.plot(overview["snapshot_at"], overview["future_near"], label="near future")
    spot.set_title(f"{index.value} on {day.value}")
    spot.legend()
    ratio.plot(overview["snapshot_at"], overview["pcr_oi"])
    ratio.set_ylabel("put-call ratio (OI)", color="tab:blue")
    vix = ratio.twinx()
    vix.plot(overview["snapshot_at"], overview["india_vix"], color="tab:orange")
    vix.set_ylabel("India VIX, %", color="tab:orange")
    figure
    return (overview,)


@app.cell
def _(mo, overview):
    moments = overview["snapshot_at"].dt.strftime("%H:%M").tolist()
    at = mo.ui.slider(steps=list(range(len(moments))), value=len(moments) - 1, label="Snapshot", full_width=True)
    at
    return at, moments


@app.cell
def _(at, day, db, index, mo, moments):
    labels = db.expiries(index.value, day.value)
    chain = db.chain(index.value, "front", f"{day.value} {moments[at.value]}")
    near = chain[chain["strike_offset"].abs() <= 10]
    mo.vstack(
        [
            mo.md(f"## The nearest expiry at {moments[at.value]}"),
            mo.ui.table(labels),
            mo.ui.table(
                near[["strike", "option_type", "price", "bid_price", "ask_price", "volume", "oi", "iv", "delta"]]
            ),
        ]
    )
    return (near,)


@app.cell
def _(near, plt):
    calls, puts = (near[near["option_type"] == kind] for kind in ("CE", "PE"))
    bars, (interest, smile) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    width = float(near["strike"].drop_duplicates().sort_values().diff().min()) * 0.4
    interest.bar(calls["strike"] - width / 2, calls["oi"], width, label="calls")
    interest.bar(puts["strike"] + width / 2, puts["oi"], width, label="puts")
    interest.set_title("Open interest, units")
    interest.legend()
    smile.plot(calls["strike"], calls["iv"] * 100, marker=".")
    smile.set_title("Implied volatility, %")
    bars
    return


if __name__ == "__main__":
    app.run()
