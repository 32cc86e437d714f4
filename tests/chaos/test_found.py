"""What the simulation found once, as small days of their own."""

from datetime import date, timedelta

from g6.chaos.script import Death, Script
from g6_market.calendar import TradingCalendar
from tests.chaos.conftest import SEED, Play


def test_a_day_whose_session_died_while_it_opened_is_sealed(play: Play, calendar: TradingCalendar):
    session = calendar.session(date(2026, 11, 20))
    dies = Death(None, "instruments", down_seconds=9000)
    result = play(Script(SEED, 0, session, session.close - timedelta(minutes=30), deaths=(dies,)))
    assert result.violations == ()
    assert (result.attempts, result.stored, result.struck["kill -9"]) == (1, 0, 1)
