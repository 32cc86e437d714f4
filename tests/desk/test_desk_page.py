"""The desk as people use it: real clicks and keys in headless Chromium."""

import re

import pytest
from playwright.sync_api import Page, expect

from g6.connection import G6Connection
from tests.desk.conftest import LAPTOP, Opener, shows
from tests.desk.desk_world import BEFORE, FRIDAY, DeskWorld

pytestmark = pytest.mark.browser
Desk = tuple[DeskWorld, str]
VIEWS = {"c": "chain", "s": "straddle", "o": "oi", "v": "volatility", "q": "quality"}


def cell(page: Page, strike: int, column: str, side: str) -> str:
    return page.locator(f"tr[data-strike='{strike}'] td.{side}.{column}").inner_text().strip()


def test_it_opens_on_the_latest_minute_of_the_nearest_expiry_and_says_it_is_live(still: Desk, opened: Opener):
    still[0].beat()
    page = opened(still[1])
    shows(page, "NIFTY", "this_week", FRIDAY, "09:23")
    expect(page.locator("#clock")).to_have_text("09:23")
    expect(page.locator("#latest")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#status")).to_have_attribute("data-kind", "live")
    expect(page.locator("tr.atm th.strike")).to_have_text("24,000")


def test_an_address_shows_what_it_says(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=BANKNIFTY&expiry=next_week&day={BEFORE}&at=09:18&view=straddle")
    shows(page, "BANKNIFTY", "next_week", BEFORE, "09:18", "straddle")
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text([re.compile("BANKNIFTY"), "Straddle"])
    expect(page.locator("#day")).to_have_value(str(BEFORE))


def test_an_expiry_may_be_named_by_its_date(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=2026-12-01&day={FRIDAY}&at=09:18")
    shows(page, "NIFTY", "next_week", FRIDAY, "09:18")


def test_arrows_move_the_minute_and_the_address_follows(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={FRIDAY}&at=09:17&view=chain")
    # NIFTY's first leg costs 101 in the first minute, and one more in each.
    assert cell(page, 23_900, "price", "call") == "102.00"
    page.keyboard.press("ArrowRight")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:18")
    assert cell(page, 23_900, "price", "call") == "103.00"
    assert "at=09:18" in page.url
    page.keyboard.press("End")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:23")
    page.keyboard.press("Shift+ArrowLeft")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:16")


def test_keys_that_come_faster_than_answers_are_all_counted(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={BEFORE}&at=09:16")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    shows(page, "NIFTY", "this_week", BEFORE, "09:22")


def test_the_slider_moves_the_minute_by_mouse(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={BEFORE}&at=09:16")
    box = page.locator("#minute").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    shows(page, "NIFTY", "this_week", BEFORE, "09:23")


def test_digits_choose_the_index_and_a_missing_one_is_said(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?day={FRIDAY}&at=09:17")
    page.keyboard.press("2")
    shows(page, "BANKNIFTY", "this_week", FRIDAY, "09:17")
    page.keyboard.press("5")
    expect(page.locator("main")).to_contain_text("Nothing of SENSEX is stored on Fri 20 Nov 2026")
    expect(page.locator("main")).to_contain_text("BANKNIFTY, NIFTY")


def test_letters_choose_the_view_and_each_fits_a_laptop(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?day={FRIDAY}&at=09:17&view=quality")
    for key, view in VIEWS.items():
        page.keyboard.press(key)
        shows(page, "NIFTY", "this_week", FRIDAY, "09:17", view)
        expect(page.locator("main")).to_have_attribute("data-view", view)
        assert page.evaluate("document.documentElement.scrollWidth") == LAPTOP[0]
        assert page.evaluate("document.documentElement.scrollHeight") == LAPTOP[1]
        for chart in page.locator(".chart").all():
            expect(chart.locator("canvas")).to_have_count(1)


def test_expiry_and_day_are_chosen_by_click_and_key_and_back_leads_back(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={FRIDAY}&at=09:17")
    page.get_by_role("radio", name="1 Dec").click()
    shows(page, "NIFTY", "next_week", FRIDAY, "09:17")
    page.keyboard.press("[")
    shows(page, "NIFTY", "next_week", BEFORE, "09:17")
    page.go_back()
    shows(page, "NIFTY", "next_week", FRIDAY, "09:17")
    page.keyboard.press("e")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:17")


def test_who_works_by_keyboard_keeps_his_place(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={FRIDAY}&at=09:17")
    for name, role, shown in (("BANKNIFTY", "tab", "BANKNIFTY this_week"), ("1 Dec", "radio", "BANKNIFTY next_week")):
        page.get_by_role(role, name=re.compile(f"^{name}")).focus()
        page.keyboard.press("Enter")
        shows(page, *shown.split(), FRIDAY, "09:17")
        assert page.evaluate("document.activeElement.innerText").startswith(name)


def test_the_whole_book_stands_where_the_greeks_were(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={BEFORE}&at=09:18")
    calls = page.locator("thead th.call")
    greeks, book = ["Vega", "Theta", "Gamma", "Delta", "Bid", "Ask"], ["LTP", "Chg", "Bid qty", "Bid", "Ask", "Ask qty"]
    expect(calls).to_have_text(["15m", "OI chg", "OI", "Vol", *greeks, "Price"])
    page.keyboard.press("g")
    expect(calls).to_have_text(["15m", "OI chg", "OI", "Vol", *book, "Price"])
    assert cell(page, 23_900, "last", "call") == "103.00"
    assert cell(page, 23_900, "bid_quantity", "put") == "–"


def test_a_new_minute_appears_by_itself(moving: Desk, opened: Opener):
    world, url = moving
    page = opened(url)
    shows(page, "NIFTY", "this_week", FRIDAY, "09:23")
    world.capture()
    shows(page, "NIFTY", "this_week", FRIDAY, "09:24")


def test_who_looks_at_a_past_minute_stays_there(moving: Desk, opened: Opener):
    world, url = moving
    page = opened(f"{url}/?day={FRIDAY}&at=09:17")
    world.capture()
    expect(page.locator("#minute")).to_have_attribute("max", "8")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:17")
    page.keyboard.press("l")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:24")


def test_a_seal_under_an_open_page_changes_nothing_for_who_looks(moving: Desk, opened: Opener):
    world, url = moving
    page = opened(f"{url}/?index=NIFTY&expiry=this_week&day={FRIDAY}&at=09:16")
    world.seal(FRIDAY)
    page.keyboard.press("ArrowRight")
    shows(page, "NIFTY", "this_week", FRIDAY, "09:17")
    assert cell(page, 23_900, "price", "call") == "102.00"


def test_a_lost_minute_is_said_and_the_one_before_is_shown(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={FRIDAY}&at=09:19")
    expect(page.locator("#notice")).to_contain_text("09:19 was not captured: this is 09:18.")
    assert cell(page, 23_900, "price", "call") == "103.00"


def test_healed_rows_are_marked_and_left_out_when_asked(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={FRIDAY}&at=09:21")
    expect(page.locator("tr.healed")).to_have_count(5)
    page.get_by_label("Healed rows").uncheck()
    expect(page.locator("tr.healed")).to_have_count(0)
    assert "healed=off" in page.url
    assert cell(page, 24_000, "price", "call") == "–"
    # Open interest is known from other minutes too.
    assert cell(page, 24_000, "oi", "call") == "0.08"


def test_quality_tells_lost_from_healed_with_the_cause(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&day={FRIDAY}&view=quality")
    tiles = page.locator(".tiles div")
    expect(tiles.nth(0)).to_contain_text("12 of 16")
    expect(tiles.nth(1)).to_contain_text("2")
    expect(tiles.nth(2)).to_contain_text("2")
    expect(page.locator(".strip rect.failed")).to_have_count(2)
    expect(page.locator(".strip rect.healed")).to_have_count(2)
    expect(page.locator(".gaps tbody tr")).to_have_count(2)
    expect(page.locator(".gaps")).to_contain_text("broker answered 503")


def test_the_straddle_stands_against_the_earlier_days_of_its_weekday(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={FRIDAY}&view=straddle")
    expect(page.locator(".past")).to_have_text("Dashed: mean of 1 earlier day of this weekday, as far from expiry")
    page.keyboard.press("[")
    expect(page.locator(".past")).to_have_text("No earlier day of this weekday and distance from expiry is stored")


def test_a_click_into_a_chart_goes_to_that_minute(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=this_week&day={BEFORE}&at=09:23&view=straddle")
    # The chart is drawn anew when the earlier days have come.
    expect(page.locator(".past")).not_to_be_empty()
    box = page.locator(".chart.price .u-over").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 2, box["y"] + 20)
    shows(page, "NIFTY", "this_week", BEFORE, "09:16", "straddle")


def test_a_dead_session_is_said_while_the_market_is_open(moving: Desk, opened: Opener):
    world, url = moving
    world.root.heartbeat_file.unlink()
    page = opened(url)
    expect(page.locator("#status")).to_have_text("Session down · sim:7")
    expect(page.locator("#notice")).to_have_text("No session has run in this world. g6 status says more.")


def test_a_closed_market_says_when_it_opens(moving: Desk, opened: Opener):
    world, url = moving
    world.clock_at(16, 0)
    world.beat("ended")
    page = opened(url)
    expect(page.locator("#status")).to_have_text("Market closed · sim:7")
    assert "opens Mon 23 Nov 09:15" in (page.locator("#status").get_attribute("title") or "")


def test_a_world_of_no_data_says_what_to_do(empty: Desk, opened: Opener):
    page = opened(empty[1])
    expect(page.locator("main")).to_contain_text("Nothing is stored in this world yet")
    expect(page.locator("main")).to_contain_text("g6 demo")


def test_an_address_of_what_is_not_there_shows_the_nearest_and_says_so(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=next_month&day=2026-11-19&at=23:00")
    shows(page, "NIFTY", "this_week", BEFORE, "09:23")
    expect(page.locator("#notice")).to_contain_text("2026-11-19 is not stored; this is Fri 13 Nov 2026.")
    expect(page.locator("#notice")).to_contain_text("NIFTY has no next_month on this day")


def test_it_follows_the_system_in_light_and_dark_and_can_be_told(still: Desk, opened: Opener):
    page = opened(still[1])
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(244, 246, 249)", "rgb(13, 17, 23)"
    assert page.evaluate(background) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(background) == dark
    page.keyboard.press("t")
    assert page.evaluate(background) == light
    page.reload()
    assert page.evaluate(background) == light
    page.evaluate("localStorage.clear()")


def test_the_query_behind_a_view_is_copied_and_runs_as_it_is(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?index=NIFTY&expiry=next_week&day={FRIDAY}&at=09:17")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copied: list[str] = []
    for key, view in VIEWS.items():
        page.keyboard.press(key)
        shows(page, "NIFTY", "next_week", FRIDAY, "09:17", view)
        page.keyboard.press("y")
        expect(page.locator("#notice")).to_contain_text("Copied: from ")
        copied.append(page.evaluate("navigator.clipboard.readText()"))
    assert len(set(copied)) == len(VIEWS)
    with G6Connection(still[0].root) as db:
        assert [query for query in copied if db.sql(query).empty] == []


def test_help_opens_by_key_and_closes_by_escape(still: Desk, opened: Opener):
    page = opened(f"{still[1]}/?day={FRIDAY}&at=09:17")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("minute before, after")
    # The page below does not move meanwhile.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    shows(page, "NIFTY", "this_week", FRIDAY, "09:17")
