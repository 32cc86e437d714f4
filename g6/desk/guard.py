"""Keeps strangers out: only pages on this machine may ask, and the page may load only what this server gives.

A page of the net that a browser shows can send requests to this machine, also under a name of its own that suddenly
points here (DNS rebinding); so a request must name this machine as its host.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Browsers ask again and get "not modified"; what was upgraded is never shown half old.
    "Cache-Control": "no-cache",
}


class Guard:
    """Refuses requests under a host name that is not this machine's, and sets the security headers.

    Parameters
    ----------
    app
        The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if _name(host) in HOSTS:
            await self._app(scope, receive, guarded)
            return
        refusal = f"the desk answers under the name of this machine only: {', '.join(HOSTS)}, not {host!r}"
        await JSONResponse({"error": refusal}, status_code=403)(scope, receive, guarded)


def _name(host: str) -> str:
    """Return a host header without its port; any port will do, since a tunnel may have its own."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
