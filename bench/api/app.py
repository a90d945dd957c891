"""The application: API, page, and who may use them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import TypeAdapter

from bench.api import jobs, lut, overview, points, runs, stations
from bench.api.access import Access
from bench.api.guard import Guard
from bench.api.problems import Problem, handle_errors
from bench.daemon.service import Service

STATIC = Path(__file__).parent / "static"
PREFIX = "/api/v1"


def create_app(service: Service, access: Access | None = None) -> FastAPI:
    """Return the ASGI application over ``service``, for whom ``access`` allows (default: this host, without a token)."""
    access = access or Access()
    app = FastAPI(
        title="MCU bench",
        version=version("mcu-bench"),
        summary="Sweeps, stations and look-up tables of a bench daemon.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # they would fetch their scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    api = APIRouter(prefix=PREFIX)
    for part in (overview, jobs, stations, points, runs, lut):
        api.include_router(part.router)
    app.include_router(api)
    app.add_api_route("/", _page, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    handle_errors(app)
    app.add_middleware(Guard, access=access)
    _describe(app, token=access.token is not None)
    return app


def _page() -> FileResponse:
    return FileResponse(STATIC / "index.html")


def _describe(app: FastAPI, *, token: bool) -> None:
    """Add to the OpenAPI description what FastAPI cannot know: the form of errors, and the token."""
    described = app.openapi()
    components = described.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = TypeAdapter(Problem).json_schema()
    components.pop("HTTPValidationError", None)
    components.pop("ValidationError", None)
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    app.openapi_schema = described
