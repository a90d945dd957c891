"""Tells people that a job is over: by webhook (POST of JSON) and by e-mail. A message that cannot be sent is logged and stops nothing.

A notification file, every part of which may be left out:

    webhooks:
      - https://example.org/hooks/bench
    mail:
      server: smtp.example.org
      port: 587                        # default
      security: starttls               # default; or tls, or none
      user: bench                      # optional
      password_file: /etc/bench/smtp   # optional, its first line
      sender: bench@example.org
      to: [lab@example.org]
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bench.boards.schema import Block, Text
from bench.boards.yaml_file import read
from bench.daemon.service import Service
from bench.domain.job import EventKind, UnitState
from bench.errors import ParameterError

TIMEOUT_S = 15.0
MAX_CAUSES = 20


class NotSent(Exception):
    """A message did not arrive; caught, tried again and logged within this room."""


def check_webhook(url: str) -> str:
    """Return ``url``. Raises ValueError for what is no http or https URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL like https://example.org/hook")
    return url


class MailBlock(Block):
    """An e-mail."""

    server: Text
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Text | None = None
    password_file: Text | None = None
    sender: Text
    to: Annotated[list[Text], Field(min_length=1)]


class NotificationFile(Block):
    """The whole file."""

    webhooks: list[Annotated[Text, AfterValidator(check_webhook)]] = Field(default_factory=list)
    mail: MailBlock | None = None


class Notifier:
    """Sends the end of a job to all ``webhooks`` and by ``mail``."""

    def __init__(self, webhooks: tuple[str, ...] = (), mail: MailBlock | None = None) -> None:
        self._webhooks = webhooks
        self._mail = mail

    def __bool__(self) -> bool:
        return bool(self._webhooks) or self._mail is not None

    def targets(self, service: Service) -> list[Callable[[int], None]]:
        """Return one function for each webhook and for the mail: it tells of the end of a job, and raises NotSent where that fails."""

        def hook(url: str) -> Callable[[int], None]:
            return lambda job_id: _post(url, summary(service, job_id))

        found = [hook(url) for url in self._webhooks]
        if (mail := self._mail) is not None:
            found.append(lambda job_id: _mail(mail, summary(service, job_id)))
        return found


def load_notifier(path: Path | None, webhooks: tuple[str, ...] = ()) -> Notifier:
    """Return the notifier of the file ``path``, with further ``webhooks``. Raises ConfigurationError (file, line), ParameterError."""
    for url in webhooks:
        try:
            check_webhook(url)
        except ValueError as error:
            raise ParameterError(f"webhook {url!r}: {error}", hint="--webhook https://example.org/hook") from None
    if path is None:
        return Notifier(webhooks)
    file = read(path).parse(NotificationFile)
    return Notifier((*file.webhooks, *webhooks), file.mail)


def summary(service: Service, job_id: int) -> dict[str, Any]:
    """Return what is told of a job: its status, its points, and the first causes of what is missing. Raises UnknownName."""
    job = service.job(job_id)
    failed = service.units(job_id, (UnitState.FAILED,))
    rejected = [event for event in service.failures(job_id) if event.kind is EventKind.REJECTED]
    causes = [f"{unit.label}: {unit.cause}" for unit in failed]
    causes += [f"{event.station} {event.label}: {event.text}" for event in rejected]
    status = service.status(job)
    counts = job.counts
    return {
        "job": job.id,
        "name": job.name,
        "status": str(status),
        "text": f"bench job {job.id} ({job.name}) is {status}: {counts.done} of {counts.points} points",
        "points": counts.points,
        "done": counts.done,
        "rejected": counts.rejected,
        "missing": counts.missing,
        "stations": list(job.stations),
        "quarantined": [
            place.name for place in service.stations() if place.quarantined_at and place.name in job.stations
        ],
        "causes": list(dict.fromkeys(causes))[:MAX_CAUSES],
        "submitted_at": job.submitted_at.isoformat(),
        "ended_at": job.ended_at.isoformat() if job.ended_at else None,
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET without its message."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        """Follow none: urllib then raises the 3xx as an error."""
        return


def _post(url: str, message: Mapping[str, Any]) -> None:
    """POST ``message``. Raises NotSent unless the answer is 2xx."""
    request = urllib.request.Request(
        url,
        data=json.dumps(message).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "mcu-bench"},
        method="POST",
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
            pass
    except (OSError, ValueError, HTTPException) as error:
        raise NotSent(f"webhook {_without_secrets(url)}: {error}") from error


def _mail(mail: MailBlock, message: Mapping[str, Any]) -> None:
    """Send ``message`` as an e-mail. Raises NotSent."""
    try:
        _deliver(mail, message)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise NotSent(f"mail by {mail.server}: {error}") from error


def _deliver(mail: MailBlock, message: Mapping[str, Any]) -> None:
    letter = EmailMessage()
    letter["Subject"] = str(message["text"]).replace("\n", " ")
    letter["From"] = mail.sender
    letter["To"] = ", ".join(mail.to)
    counts = ", ".join(f"{message[name]} {name}" for name in ("points", "done", "rejected", "missing"))
    letter.set_content("\n".join([str(message["text"]), counts, "", *message["causes"]]))
    context = ssl.create_default_context()
    connect: smtplib.SMTP
    if mail.security == "tls":
        connect = smtplib.SMTP_SSL(mail.server, mail.port, timeout=TIMEOUT_S, context=context)
    else:
        connect = smtplib.SMTP(mail.server, mail.port, timeout=TIMEOUT_S)
    with connect as server:
        if mail.security == "starttls":
            server.starttls(context=context)
        if mail.user is not None:
            server.login(mail.user, _password(mail))
        server.send_message(letter)


def _password(mail: MailBlock) -> str:
    if mail.password_file is None:
        return ""
    return Path(mail.password_file).expanduser().read_text(encoding="utf-8").partition("\n")[0]


def _without_secrets(url: str) -> str:
    """Return scheme and host of ``url``: the rest of a webhook's address is often its secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/…"
