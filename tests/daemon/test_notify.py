"""Telling people that a job is over: what is said, and what happens when nobody listens."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bench.daemon.notify import MailBlock, Notifier, NotSent, load_notifier, summary
from bench.daemon.service import Service
from bench.domain.station import Station
from bench.errors import ConfigurationError, ParameterError
from tests.daemon.test_service import TINY, begin, enter


class Post(socketserver.StreamRequestHandler):
    """A mail server for one letter at a time (RFC 5321), without TLS."""

    letters: list[str]

    def handle(self) -> None:
        """Talk to the client."""
        self.wfile.write(b"220 post\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (text := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(text.decode())
                self.letters.append("".join(lines))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def post() -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a mail server, and the letters that it took."""
    letters: list[str] = []
    with socketserver.TCPServer(("127.0.0.1", 0), type("OwnPost", (Post,), {"letters": letters})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1], letters
        server.shutdown()
        thread.join()


def failed_job(service: Service, stations: dict[str, Station]) -> int:
    """Return a job that ended with a failed image."""
    daemon = enter(service, stations, "virtual-a")
    job_id = service.submit(TINY, name="tonight").job_id
    service.store.units.fail(begin(service, daemon).lease, "build", "kernel.c:1: error")
    service.store.units.finish(begin(service, daemon).lease)
    assert service.store.jobs.end() == [job_id]
    return job_id


def test_the_summary_says_what_is_missing_and_why(light_service: Service, stations: dict[str, Station]) -> None:
    said = summary(light_service, failed_job(light_service, stations))
    assert said["text"] == "bench job 1 (tonight) is incomplete: 0 of 4 points"
    assert (said["points"], said["done"], said["missing"], said["stations"]) == (4, 0, 4, ["virtual-a"])
    assert said["causes"] == ["relu(n=1024) fp32 naive -O3: kernel.c:1: error"]
    assert light_service.store.jobs.unannounced(light_service.store.jobs.clock() - light_service.job(1).submitted_at)
    light_service.store.jobs.announced(1)
    assert not light_service.store.jobs.unannounced(
        light_service.store.jobs.clock() - light_service.job(1).submitted_at
    )


def test_a_mail(light_service: Service, stations: dict[str, Station], post: tuple[int, list[str]]) -> None:
    port, letters = post
    mail = MailBlock(server="127.0.0.1", port=port, security="none", sender="bench@lab", to=["a@lab", "b@lab"])
    for tell in Notifier(mail=mail).targets(light_service):
        tell(failed_job(light_service, stations))
    assert len(letters) == 1
    for words in ("Subject: bench job 1 (tonight) is incomplete", "To: a@lab, b@lab", "kernel.c:1: error"):
        assert words in letters[0]


class Elsewhere(BaseHTTPRequestHandler):
    """Sends every POST elsewhere."""

    def do_POST(self) -> None:
        """Redirect."""
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_what_does_not_arrive_is_said_without_the_secret_of_the_address(
    light_service: Service, stations: dict[str, Station]
) -> None:
    job_id = failed_job(light_service, stations)
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        hooks = (f"http://127.0.0.1:{server.server_port}/secret", "http://127.0.0.1:9/secret")
        for tell in Notifier(hooks).targets(light_service):
            with pytest.raises(NotSent, match=r"webhook http://127\.0\.0\.1/…: ") as caught:
                tell(job_id)
            assert "secret" not in str(caught.value)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("webhook: [https://example.org]", r"notify.yaml:1: unknown key webhook"),
        ("webhooks: [ftp://example.org]", r"notify.yaml:1: .*https://example.org"),
        ("mail: {server: a, sender: b, to: []}", r"notify.yaml:1: "),
        ("mail: {server: a, sender: b, to: [c], port: 0}", r"notify.yaml:1: .*port"),
    ],
)
def test_a_wrong_file_names_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        load_notifier(path)


def test_a_file_and_options_come_together(tmp_path: Path) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text("webhooks: [https://a.example]\nmail: {server: smtp, sender: b@lab, to: [c@lab]}\n")
    assert bool(load_notifier(path))
    assert not load_notifier(None)
    with pytest.raises(ParameterError, match="nonsense"):
        load_notifier(None, ("nonsense",))
