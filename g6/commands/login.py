"""`g6 login`: always the live world, which it makes."""

import os

from g6.runtime import console, settings_of
from g6_resources.kite.login import login, login_with_request_token
from g6_resources.settings import Secrets
from g6_resources.world import World, make_root


def run_login(*, request_token: str | None) -> None:
    """Get today's access token and store it (0600)."""
    settings = settings_of()
    secrets = Secrets.from_environ(os.environ)
    root = make_root(settings.data_path, World("live"), **settings.world_facts)
    if request_token is not None:
        token = login_with_request_token(settings, secrets, root, request_token)
    else:
        token = login(settings, secrets, root, show=lambda url: console.print(f"open {url}", soft_wrap=True))
    console.print(f"logged in as {token.user_id}; the token serves until 06:00 tomorrow")
