"""What an asset's page in Dagster tells people to ask runs as it stands, and what it links to exists."""

import re
from pathlib import Path

import pandas as pd
import pytest

from g6.connection import G6Connection
from g6_assets.links import WAYS, asset_links, partition_links
from tests.analyst.conftest import LAST

PER_INDEX = [name for name, way in WAYS.items() if way.of_day]


def query_of(links: dict[str, object]) -> str:
    found = re.fullmatch(r"```sql\n(.*)\n```", str(getattr(links["query"], "value", "")), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("name", WAYS)
def test_the_query_of_an_asset_finds_rows(db: G6Connection[pd.DataFrame], name: str) -> None:
    # Nothing is missing of the last day.
    assert len(db.sql(query_of(asset_links(name, "BANKNIFTY")))) or name == "candles"


@pytest.mark.parametrize("name", PER_INDEX)
def test_the_query_of_a_partition_is_of_its_index_day_and_label(db: G6Connection[pd.DataFrame], name: str) -> None:
    links = partition_links(name, "BANKNIFTY", LAST, "next_month")
    rows = db.sql(query_of(links))
    assert len(rows)
    day = rows["trade_date"] if "trade_date" in rows else rows["snapshot_at"].dt.normalize()
    assert day.unique().tolist() == [pd.Timestamp(LAST)]
    desk = str(getattr(links["desk"], "url", ""))
    assert desk.startswith("http://127.0.0.1:8050/?index=BANKNIFTY&expiry=next_month&day=2026-11-13&view=")


@pytest.mark.parametrize("name", WAYS)
def test_a_link_leads_to_a_heading_and_a_view_that_exist(project: Path, name: str) -> None:
    page, _, heading = WAYS[name].page.partition("#")
    text = (project / "docs" / page).read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert not heading or heading in anchors
    view = WAYS[name].view
    assert view is None or (project / "g6" / "desk" / "static" / "js" / "views" / f"{view}.js").exists()
