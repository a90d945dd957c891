"""Who may ask: hosts, origins, tokens, kinds and sizes of bodies."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bench.api.access import Access
from bench.api.server import listen
from bench.cli.daemon import daemon
from bench.daemon.service import Service
from bench.errors import ParameterError
from tests.api.conftest import TINY

JOBS = "/api/v1/jobs"
TOKEN = "correct-horse-battery-staple"
OPEN = Access(frozenset({"localhost", "bench.lab"}), any_address=True, token=TOKEN)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8440", "192.168.0.7", "", "a b", "localhost@evil"],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/static/bench.css", "/nothing"])
def test_a_foreign_host_gets_nothing(client: TestClient, host: str, path: str) -> None:
    """As after DNS rebinding: the request reaches us, under another's name."""
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["hint"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8440", "[::1]:8440", "localhost."])
def test_our_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:1",
        "http://localhost",
        "file://",
        "http://localhost:8440@evil",
        "http://[",
        "",
    ],
)
def test_another_origin_can_neither_act_nor_read(client: TestClient, service: Service, origin: str) -> None:
    for method, path in (("POST", JOBS), ("GET", "/api/v1/status"), ("OPTIONS", JOBS), ("POST", f"{JOBS}/1/cancel")):
        answer = client.request(method, path, json=TINY, headers={"Origin": origin})
        assert answer.status_code == 403, (method, path)
        assert "access-control-allow-origin" not in answer.headers
    assert service.jobs() == []


def test_a_page_of_ours_can_act(client: TestClient) -> None:
    ours = {"Origin": "http://localhost:8440", "Sec-Fetch-Site": "same-origin"}
    assert client.post(JOBS, json=TINY, headers=ours).status_code == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_of_another_site_can_not(client: TestClient, site: str) -> None:
    assert client.post(JOBS, json=TINY, headers={"Sec-Fetch-Site": site}).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_foreign_form_could_send_is_refused(client: TestClient, service: Service, kind: str) -> None:
    client.post(JOBS, json=TINY)
    for path in (JOBS, f"{JOBS}/1/cancel", "/api/v1/stations/virtual-a/pause"):
        assert client.post(path, content=b"{}", headers={"Content-Type": kind}).status_code == 415
    assert len(service.jobs(active=True)) == 1


def test_bodies_are_bounded(client: TestClient) -> None:
    assert client.post(JOBS, content=b" " * 65_537).status_code == 413
    assert client.post(JOBS, content=iter([b"{}"])).status_code == 411
    assert client.post(JOBS, content=b"{}", headers={"Content-Length": "-1"}).status_code == 400
    assert client.post(JOBS, content=b"{}", headers={"Content-Length": "9" * 5000}).status_code == 413


def test_without_the_token_nothing_of_the_api_answers(connect: Callable[..., TestClient], service: Service) -> None:
    client = connect(OPEN, "http://192.168.0.7:8440")
    described = client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert described["security"] == [{"token": []}]
    for wrong in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
    ):
        for path, methods in described["paths"].items():
            for method in methods:
                answer = client.request(
                    method, path.format(job=1, run=1, name="virtual-a", format="csv"), headers=wrong
                )
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
    assert service.jobs() == []
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/v1/health", headers=right).status_code == 200
    assert client.post(JOBS, json=TINY, headers=right).status_code == 201
    assert client.get("/").status_code == 200  # the page itself, which asks for the token
    assert client.get("/api/v1/health", headers={**right, "Host": "evil.example"}).status_code == 421
    assert client.get("/api/v1/health", headers={**right, "Host": "bench.lab"}).status_code == 200


def test_the_page_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/static/js/main.js", "/api/v1/health", "/api/v1/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    page = client.get("/").text
    assert "<script>" not in page
    assert "style=" not in page
    assert "http" not in page.replace("HTTP", "")


def test_no_path_leads_out_of_the_static_files(client: TestClient) -> None:
    for path in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "js/../../app.py", "..%5capp.py", "%00"):
        assert client.get(f"/static/{path}").status_code in (404, 405), path


def test_any_address_but_our_own_demands_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for host in ("0.0.0.0", "::"):
        with pytest.raises(ParameterError, match="needs a token") as caught:
            daemon(host=host, port=0, token="")
        assert caught.value.exit_code == 2
        assert "BENCH_TOKEN" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    for token in ("short", "ÿ" * 20, "new\nline" * 4):
        with pytest.raises(ParameterError, match="too weak"):
            listen("127.0.0.1", 0, token)
    with pytest.raises(ParameterError, match="--host"):
        listen("no such host", 0, None)
    with pytest.raises(ParameterError, match="--port"):
        listen("127.0.0.1", 70_000, None)


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ParameterError, match="cannot listen"):
        listen("127.0.0.1", taken.getsockname()[1], None)
    listening = listen("127.0.0.1", 0, None, ["Bench.Lab."])
    assert listening.access.knows("bench.lab")
    assert not listening.access.knows("10.0.0.1")
    assert listening.url.startswith("http://127.0.0.1:")
    listening.socket.close()
