"""Which answer of HTTP an error becomes."""

from __future__ import annotations

from http import HTTPStatus

from wsgidav.dav_error import DAVError

from gimmal.base.errors import BadName, DeadlinePassed, GimmalError, HalfError, RemoteError, UnreachableError

RETRY_SECONDS = 10
"""What a client is told to wait where the other side cannot be reached."""

_STATUS = {
    "not_found": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.PRECONDITION_FAILED,
    "not_a_directory": HTTPStatus.CONFLICT,
    "is_a_directory": HTTPStatus.CONFLICT,
    "not_empty": HTTPStatus.CONFLICT,
    "not_granted": HTTPStatus.FORBIDDEN,
    "denied": HTTPStatus.FORBIDDEN,
    "bad_name": HTTPStatus.BAD_REQUEST,
    "name_too_long": HTTPStatus.BAD_REQUEST,
    "collision": HTTPStatus.CONFLICT,
    "link_refused": HTTPStatus.FORBIDDEN,
    "special_file": HTTPStatus.FORBIDDEN,
    "read_only": HTTPStatus.FORBIDDEN,
    "not_stored": HTTPStatus.FORBIDDEN,
    "no_space": HTTPStatus.INSUFFICIENT_STORAGE,
    "too_large": HTTPStatus.INSUFFICIENT_STORAGE,
    "changed": HTTPStatus.SERVICE_UNAVAILABLE,
    "limit": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""By code of the other side; BAD_GATEWAY where it is none of these."""

_AGAIN = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


def status_of(error: GimmalError) -> HTTPStatus:
    """The status that says best what went wrong."""
    if isinstance(error, RemoteError):
        return _STATUS.get(error.code, HTTPStatus.BAD_GATEWAY)
    if isinstance(error, BadName):
        return HTTPStatus.BAD_REQUEST
    if isinstance(error, DeadlinePassed):
        return HTTPStatus.GATEWAY_TIMEOUT
    return HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, UnreachableError | HalfError) else HTTPStatus.BAD_GATEWAY


def answer_of(error: GimmalError) -> DAVError:
    """The same as what wsgidav raises: with the sentence of the error, and when to try again."""
    status = status_of(error)
    again = [("Retry-After", str(RETRY_SECONDS))] if status in _AGAIN else None
    return DAVError(int(status), error.message, add_headers=again)
