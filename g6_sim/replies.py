"""Answers in Kite's form: success, error, and the ways an answer goes wrong.

Which answer it is to be, `app` decides.
"""

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from g6_sim.faults import Fault

ABORT = "g6_sim.abort"
"""Key of the ASGI scope under which `server` leaves a function that resets the connection."""

_HTML_502 = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_ERROR_TYPES = {500: "GeneralException", 502: "DataException", 503: "NetworkException", 504: "NetworkException"}


class ApiError(Exception):
    """An error that Kite would answer.

    Parameters
    ----------
    status, error_type, message
        HTTP status, Kite's exception name and its sentence.
    """

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


def json_response(content: object, status: int = 200) -> Response:
    """Write any content as JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def success(data: object) -> Response:
    """Wrap data as Kite does when all went well."""
    return json_response({"status": "success", "data": data})


def failure(error: ApiError) -> Response:
    """Write an error as Kite does."""
    return json_response({"status": "error", "message": str(error), "error_type": error.error_type}, error.status)


def no_route(_request: Request, error: Exception) -> Response:
    """Answer a path or method that does not exist."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return failure(ApiError(status, "GeneralException", "Route not found" if status == 404 else "Method not allowed"))


def broken(fault: Fault, request: Request) -> Response:
    """Answer as a fault says instead of serving the request; for a reset, cut the connection."""
    if fault.kind == "reset":
        abort = request.scope.get(ABORT)
        if abort is not None:
            abort()
        return Response(status_code=502)
    if fault.kind == "html":
        return HTMLResponse(_HTML_502, status_code=502)
    if fault.kind == "rate_limit":
        return failure(ApiError(429, "NetworkException", "Too many requests"))
    if fault.kind == "token":
        return failure(ApiError(403, "TokenException", "Incorrect `api_key` or `access_token`."))
    return failure(ApiError(fault.status, _ERROR_TYPES[fault.status], "Something went wrong. Please try again."))
