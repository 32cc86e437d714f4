"""`g6 desk`: the page of a world on this machine."""

from g6.runtime import console, open_world
from g6_market.calendar import TradingCalendar


def run_desk(*, world: str | None, port: int) -> None:
    """Serve until interrupted."""
    from g6.desk.serve import address, listen, serve

    root, settings = open_world(world)
    calendar = TradingCalendar.load(override=settings.calendar_override)
    listener = listen(port)
    console.print(f"desk of {root.world.name}: {address(listener)} (Ctrl+C ends it)", highlight=False, soft_wrap=True)
    serve(listener, root, calendar)
