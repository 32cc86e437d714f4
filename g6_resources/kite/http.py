"""The HTTP session under the kiteconnect client: what every quote call repeats is done once.

A quote call's address names 500 symbols and its answer is half a megabyte of JSON; encoding the one and decoding the
other by the client's own means took more than half of a snapshot's processor time. Nothing else differs: which calls
are made, and what failures mean, is in `calls` and `failures`.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import orjson
import requests


@lru_cache(maxsize=64)
def quote_query(keys: tuple[str, ...]) -> str:
    """Return the encoded query of a quote call, `i=NSE%3ANIFTY+50&i=..`; the same keys are asked each minute."""
    return urlencode([("i", key) for key in keys])


class KiteSession(requests.Session):
    """A `requests.Session` that takes an encoded query as it is, and decodes JSON with orjson."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks["response"].append(_decode_with_orjson)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request; a query given as text is put behind the address unread."""
        if not isinstance(request.params, str):
            return super().prepare_request(request)
        query, request.params = request.params, {}
        prepared = super().prepare_request(request)
        prepared.url = f"{prepared.url}?{query}"
        return prepared


def _decode_with_orjson(response: requests.Response, *_args: Any, **_options: Any) -> requests.Response:
    # Raises a ValueError for what is no JSON, as the method it replaces does.
    response.json = lambda **_: orjson.loads(response.content)
    return response
