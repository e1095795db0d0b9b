"""The cost of a verdict in the process, its steps, and its growth.

Only the CPU time of the application is measured, without gunicorn and nginx, and
without disks, since all files are in the page cache.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from flask import Flask
from sqlalchemy import insert
from werkzeug.test import create_environ, run_wsgi_app

from bench.rounds import interleaved
from gateway.app import create_app, signed_url_judge
from gateway.catalog import schema, users
from gateway.config import settings
from gateway.config.assets import asset
from gateway.delivery import accel
from gateway.http import families
from gateway.links import Key, KeyRing, LinkSigner, policy, signed_url
from gateway.links.server_secret import ServerSecret
from gateway.runtime.prepare import prepare
from gateway.shares.codes import ShareCodes, lease_path
from gateway.storage.media_types import MediaTypes
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.catalog.database import Database

#: Number of calls; a figure is their mean.
CALLS = 2000
BATCH = 10_000
_LINKS = 50_000
BARE = "a bare Flask view"
VERDICT = "a verdict that nginx may keep"
OBJECT = "the same on an object in a bucket"
DIRECT = "a verdict by Flask, for TTL 0"
_BUCKET = {
    "GATEWAY_FILES": "s3://media",
    "GATEWAY_BUCKET_ENDPOINT": "http://localhost",
    "GATEWAY_BUCKET_KEY_ID": "AKIDEXAMPLE0123",
    "GATEWAY_BUCKET_SECRET": "0123456789abcdef0123456789abcdef",
}


@dataclass
class Site:
    """An application with its catalog and files tree, which can be filled.

    With *is_in_bucket* the files are objects in a bucket, which no verdict asks.
    """

    home: Path
    keys: int = 1
    is_in_bucket: bool = False

    def __post_init__(self) -> None:
        files = self.home / "files"
        files.mkdir(parents=True)
        (files / "reports").mkdir()
        (files / "reports" / "q3.pdf").write_bytes(b"%PDF-")
        self.secret = ServerSecret.generate()
        self.ring = KeyRing(tuple(Key.generate() for _ in range(self.keys)))
        self.signer = LinkSigner(self.ring, "http://localhost")
        self.settings = settings.read(
            {
                **(_BUCKET if self.is_in_bucket else {"GATEWAY_FILES": str(files)}),
                "GATEWAY_DATA": str(self.home / "data"),
                "GATEWAY_KEYS": str(self.ring),
                "GATEWAY_SECRET": str(self.secret),
                "GATEWAY_FREE_SPACE": "0",
            }
        ).settings
        self.database: Database = prepare(self.settings)

    def revoke(self, count: int) -> Site:
        """Revoke *count* signed URLs, but not the requested one."""
        self._fill(
            schema.revocations,
            (
                {"subject": f"url:{number:022}", "issued_until": 1, "created": 1}
                for number in range(count)
            ),
        )
        return self

    def upload(self, count: int) -> Site:
        """Add *count* uploads to the catalog; their ids start with ``upload_id(0)``."""
        with self.database.write() as connection:
            owner = users.add(
                connection,
                name="ann",
                password_hash=users.hash_password("correct horse battery"),
                role=users.Role.MEMBER,
                now=1,
            )
        self._fill(schema.uploads, (_row(owner.id, n) for n in range(count)))
        return self

    def crowd(self, count: int) -> Site:
        """Add *count* files to the folder of the requested file."""
        folder = self.home / "files" / "reports"
        for number in range(count):
            # Mostly hard links: only the folder has to grow.  The maximum is 65,000
            # links per inode.
            path = folder / f"{number}.pdf"
            if number % _LINKS:
                path.hardlink_to(folder / f"{number - number % _LINKS}.pdf")
            else:
                path.write_bytes(b"%PDF-")
        return self

    def fill(self, make: Callable[[Path, int], None], count: int) -> Site:
        """Have *make* add *count* rows to the catalog's file."""
        self.database.engine.dispose()
        make(self.home / "data" / "catalog.sqlite3", count)
        return self

    def _fill(self, table: Any, rows: Iterator[dict[str, object]]) -> None:  # noqa: ANN401
        while batch := list(itertools.islice(rows, BATCH)):
            with self.database.write() as connection:
                connection.execute(insert(table), batch)

    def link(self, path: str = "reports/q3.pdf", *, upload: str | None = None) -> str:
        """Return the path of a signed URL."""
        url = self.signer.sign(path, expires=timedelta(days=1), upload=upload)
        return url.removeprefix("http://localhost")

    def lease(self, lease_id: str) -> str:
        """Return the path of a leased download of q3.pdf."""
        return lease_path(ShareCodes(self.secret).lease_code(lease_id), 1, "q3.pdf")

    def ask(self, link: str, *, is_cacheable: bool = True) -> Callable[[], float]:
        """Return a function that measures the seconds of a verdict on *link*."""
        headers = (
            {"X-Verdict": "0123456789abcdef"}
            if is_cacheable
            else {families.HEADER: families.SIGNED.name}
        )
        return caller(create_app(self.settings), link, headers)


def upload_id(number: int) -> str:
    """Return an id in the form of an upload's id, a base 32 number."""
    text = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        text += "abcdefghijklmnopqrstuvwxyz234567"[digit]
    # Real ids are random, so these are not in the order of the rows.
    return text


def _row(owner: int, number: int) -> dict[str, object]:
    return {
        "id": upload_id(number),
        "owner_id": owner,
        "name": "q3.pdf",
        "size": 5,
        "media_type": "application/pdf",
        "blob": f"{upload_id(number)}.pdf",
        "created": number,
    }


def caller(
    app: Flask, path: str, headers: dict[str, str] | None = None
) -> Callable[[], float]:
    """Return a function that calls *app* like gunicorn and returns seconds per call."""
    facts = {"X-Real-IP": "::1", **(headers or {})}
    environ = create_environ(path, "http://localhost", headers=facts)
    _, line, _ = run_wsgi_app(app, environ)
    if not line.startswith("200"):
        raise SystemExit(f"{path}: {line}")

    def start(
        _status: str, _headers: list[tuple[str, str]], _fault: object = None
    ) -> None:
        return None

    def measure() -> float:
        began = time.process_time()
        for _ in range(CALLS):
            for _data in app(dict(environ), start):  # type: ignore[arg-type]
                pass
        return (time.process_time() - began) / CALLS

    return measure


def bare() -> Flask:
    """Return an application whose view does nothing."""
    app = Flask("bare", static_folder=None)
    app.add_url_rule("/s/<token>/<path:path>", view_func=lambda token, path: "")  # noqa: ARG005
    return app


def measure(home: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of a bare view, a verdict, and each step of a verdict."""
    site = Site(home / "steps")
    link = site.link()
    bucket = Site(home / "steps-bucket", is_in_bucket=True)
    contestants = {
        BARE: caller(bare(), link),
        VERDICT: site.ask(link),
        OBJECT: bucket.ask(bucket.link()),
        DIRECT: site.ask(link, is_cacheable=False),
    }
    contestants |= {name: _repeated(step) for name, step in _steps(site, link).items()}
    return interleaved(contestants, rounds, "verdicts in the process")


def _steps(site: Site, link: str) -> dict[str, Callable[[], object]]:
    types = MediaTypes.read(asset("nginx/snippets/media_types.conf"))
    judge = signed_url_judge(site.settings, site.database, types)
    token, text = signed_url.split(f"http://localhost{link}")
    raw = unquote(text).encode()
    target = f"{token}/".encode() + raw
    path = FilePath.decode(raw)
    found = signed_url.verify(site.ring, token, path.text)
    now = time.time()
    delivery: Any = judge.judge(target, now=now, client="::1")
    return {
        "path and signature": lambda: signed_url.verify(
            site.ring, token, FilePath.decode(raw).text
        ),
        "time and network": lambda: policy.check(found.claims, now=now, client="::1"),
        "revocations": lambda: judge.revocation_check.check(found, path.text),
        "the file": lambda: judge.files.serve(path),
        "headers": lambda: accel.verdict_headers(delivery),
        "all of the judgement": lambda: judge.judge(target, now=now, client="::1"),
    }


def _repeated(step: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        began = time.process_time()
        for _ in range(CALLS):
            step()
        return (time.process_time() - began) / CALLS

    return measure
