"""Errors as JSON (problem details, RFC 9457), with the message and the hint that the command line would print; never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from bench.errors import BenchError, StoreError, UnknownName, UsageError

MEDIA_TYPE = "application/problem+json"
LATER_S = "5"

_log = logging.getLogger("bench.daemon")


class Problem(BaseModel):
    """What went wrong: ``message`` says what and the numbers, ``hint`` what mends it, ``detail`` holds further lines."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    message: str = Field(examples=["there is no job 7 in measurements.db"])
    hint: str = Field(default="", examples=["bench status lists the jobs"])
    detail: str = ""


class Refused(Exception):
    """A request that is answered by ``status`` and the words of ``error``."""

    def __init__(self, status: int, error: BenchError) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


@contextmanager
def refused_as(status: int) -> Iterator[None]:
    """Answer by ``status`` where what the request asks for is wrong usage."""
    try:
        yield
    except UsageError as error:
        raise Refused(status, error) from error


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the errors that any request, and one with ``statuses`` besides, may be answered by."""
    always = (400, 401, 403, 411, 413, 415, 421, 422, 503)
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
        for status in sorted({*always, *statuses})
    }


def problem(
    status: int, message: str, hint: str = "", detail: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer. Lone surrogates, which JSON texts may hold and UTF-8 may not, are shown escaped."""
    found = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        message=_clean(message),
        hint=_clean(hint),
        detail=_clean(detail),
    )
    return JSONResponse(found.model_dump(), status, dict(headers or {}), MEDIA_TYPE)


def handle_errors(app: FastAPI) -> None:
    """Have ``app`` answer every error as a problem."""
    app.add_exception_handler(BenchError, _bench_error)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


def _bench_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BenchError)
    status = 404 if isinstance(error, UnknownName) else 422 if isinstance(error, UsageError) else 500
    return _of(503 if isinstance(error, StoreError) else status, error)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return _of(error.status, error.error)


def _of(status: int, error: BenchError) -> JSONResponse:
    headers = {"Retry-After": LATER_S} if status == 503 else {}
    return problem(status, str(error), error.hint, error.detail, headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with parameters or body, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(map(str, entry['loc'][1:])) or 'the body'}: {entry['msg']}" for entry in error.errors()]
    return problem(422, found[0], "/api/v1/openapi.json describes what is allowed", "\n".join(found[1:20]))


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    hints = {404: "/api/v1/openapi.json lists what there is", 405: "try another method"}
    return problem(error.status_code, str(error.detail), hints.get(error.status_code, ""), headers=error.headers)


def _bug(_request: Request, error: Exception) -> JSONResponse:
    _log.error("the HTTP API failed: %r", error)
    return problem(500, "the bench failed at this request", "the daemon's log says where; please report it")


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
