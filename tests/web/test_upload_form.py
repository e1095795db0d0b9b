"""Uploads by the browser's form: parsing, refusals, and what they leave behind."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import BucketBusyError, CatalogBusyError
from gateway.storage.blobs import BlobStore
from gateway.storage.disk_blobs import DiskBlobs
from gateway.uploads import finalise_slots
from gateway.web.multipart_uploads import FormUploads
from gateway.web.outages import BUCKET_OUTAGES, OUTAGES

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.test import TestResponse

    from gateway.catalog.users import User
    from tests.web.conftest import MakeSite, Site

BOUNDARY = "xx"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """Return one part of a form."""
    of = "" if filename is None else f'; filename="{filename}"'
    head = f'Content-Disposition: form-data; name="{name}"{of}\r\n\r\n'
    return f"--{BOUNDARY}\r\n{head}".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def send(site: Site, body: bytes, content_type: str = TYPE) -> TestResponse:
    """Send a request as nginx does for a spooled *body*; delete the file afterwards."""
    spooled = site.store / "spool" / "0001"
    spooled.write_bytes(body)
    answer = site.client.post(
        "/upload",
        # Without a stream of its own the client would make up another type.
        input_stream=io.BytesIO(),
        headers={
            "Content-Type": content_type,
            "X-Spool-File": str(spooled),
            "X-Request-ID": "a",
        },
    )
    spooled.unlink()
    return answer


def names(site: Site) -> list[str]:
    listing: Any = site.client.get("/api/v1/files").json
    return sorted(file["name"] for file in listing["files"])


@pytest.fixture
def first(site: Site, ann: User) -> bytes:
    """Return the form's first field, which says that it is ours."""
    del ann  # is logged in
    return part("csrf_token", site.token("/").encode())


def test_several_files_are_stored_at_once(site: Site, first: bytes) -> None:
    body = first + part("file", b"one", "a.txt") + part("file", b"", "b.txt") + END
    answer = send(site, body)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "2 files were uploaded." in site.client.get("/").text
    assert names(site) == ["a.txt", "b.txt"]
    assert len(site.stored()) == 2


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\r\n--x\r\n--xy\r\n" * 50_000, id="almost boundaries"),
        pytest.param(b"\r" * 700_000, id="carriage returns"),
        pytest.param(bytes(range(256)) * 4000, id="all bytes"),
        pytest.param(b"-" * 700_001, id="dashes"),
    ],
)
def test_content_comes_through_byte_for_byte(
    site: Site, first: bytes, content: bytes
) -> None:
    answer = send(site, first + part("file", content, "a.bin") + END)
    (path,) = site.stored()
    assert answer.status_code == 303
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"\r\n", id="line end"),
        pytest.param(b"e" * 3_000_000, id="much"),
        pytest.param(part("file", b"y", "b.txt") + END, id="another form"),
    ],
)
def test_what_follows_the_last_part_is_nothing(
    site: Site, first: bytes, rest: bytes
) -> None:
    answer = send(site, first + part("file", b"x", "a.txt") + END + rest)
    assert answer.status_code == 303
    assert names(site) == ["a.txt"]


def test_a_field_without_a_chosen_file_is_left_out(site: Site, first: bytes) -> None:
    send(site, first + part("file", b"", "") + part("file", b"x", "a.txt") + END)
    assert names(site) == ["a.txt"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("../../etc/passwd", "passwd", id="path"),
        pytest.param("<b>x</b>.txt", "b>.txt", id="markup"),
        pytest.param("..", "file", id="dots"),
    ],
)
def test_a_name_is_what_its_owner_meant(
    site: Site, first: bytes, sent: str, shown: str
) -> None:
    answer = send(site, first + part("file", b"x", sent) + END)
    assert answer.status_code == 303
    assert names(site) == [shown]
    assert "<b>" not in site.client.get("/").text


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        pytest.param(b"", 400, "bad-form", id="empty"),
        pytest.param(b"garbage" * 1000, 400, "bad-form", id="garbage"),
        pytest.param(b"g" * 3_000_000, 400, "bad-form", id="much garbage"),
        pytest.param(END, 403, "csrf", id="no part"),
        pytest.param(part("file", b"x", "a") + END, 403, "csrf", id="a file first"),
        pytest.param(part("csrf_token", b"x") + END, 403, "csrf", id="a wrong token"),
        pytest.param(part("csrf_token", b"\xff") + END, 400, "bad-form", id="no text"),
        pytest.param(
            part("csrf_token", b"x" * 9999) + END, 400, "bad-form", id="a long token"
        ),
        pytest.param(b"--xx\r\n\r\n\r\n" + END, 400, "bad-form", id="no header"),
        pytest.param(
            b"--xx\r\nContent-Disposition: \xff\xfe\r\n\r\nx\r\n" + END,
            400,
            "bad-form",
            id="a header of bytes",
        ),
        pytest.param(
            b"--xx\r\nA: " + b"b" * 3_000_000 + b"\r\n\r\nx\r\n" + END,
            400,
            "bad-form",
            id="an endless header",
        ),
    ],
)
@pytest.mark.usefixtures("ann")
def test_a_form_that_is_none_is_refused(
    site: Site, body: bytes, status: int, reason: str
) -> None:
    answer = send(site, body)
    assert answer.status_code == status
    assert answer.headers["X-Gateway-Reason"] == reason
    assert site.stored() == []


@pytest.mark.parametrize(
    ("rest", "status", "reason"),
    [
        pytest.param(END, 400, "bad-form", id="no file"),
        pytest.param(part("file", b"", "") + END, 400, "bad-form", id="none chosen"),
        pytest.param(part("file", b"x", "a.txt"), 400, "bad-form", id="no end"),
        pytest.param(part("file", b"x", "a.txt")[:-9], 400, "bad-form", id="cut"),
        pytest.param(
            part("file", b"x", "a.txt") + b"--xx\r\nbroken\r\n\r\nx\r\n" + END,
            400,
            "bad-form",
            id="a bad part behind a good one",
        ),
        pytest.param(
            part("file", b"x", "a.txt") * 111 + END, 413, "too-many-files", id="files"
        ),
        pytest.param(part("f", b"x") * 9999 + END, 413, "too-many-files", id="fields"),
        pytest.param(
            part("file", b"x\r\n--xxy", "a.txt") + END,
            400,
            "bad-form",
            id="a boundary that goes on",
        ),
    ],
)
def test_a_form_that_goes_wrong_leaves_nothing(
    site: Site, first: bytes, rest: bytes, status: int, reason: str
) -> None:
    answer = send(site, first + rest)
    assert answer.status_code == status
    assert answer.headers["X-Gateway-Reason"] == reason
    assert site.stored() == []


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("", id="none"),
        pytest.param("multipart/form-data", id="no boundary"),
        pytest.param("multipart/form-data; boundary=" + "x" * 999, id="long boundary"),
        pytest.param("multipart/mixed; boundary=xx", id="another multipart"),
        pytest.param("multipart/form-data; boundary=\xff", id="no ASCII"),
    ],
)
def test_a_body_of_another_type_is_refused(
    site: Site, first: bytes, content_type: str
) -> None:
    answer = send(site, first + part("file", b"x", "a") + END, content_type)
    assert answer.status_code == 400
    assert site.stored() == []


def test_a_body_that_nginx_has_not_spooled_is_not_looked_for(
    site: Site, ann: User, tmp_path: Path
) -> None:
    del ann
    answer = site.client.post(
        "/upload",
        headers={"Content-Type": TYPE, "X-Spool-File": str(tmp_path / "files/a.txt")},
    )
    assert answer.status_code == 400


def test_what_is_refused_is_named_and_the_rest_is_stored(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_DENIED_TYPES="text/html")
    site.add_user("ann")
    site.log_in()
    first = part("csrf_token", site.token("/").encode())
    answer = send(
        site, first + part("f", b"x", "a.txt") + part("f", b"y", "b.html") + END
    )
    assert answer.status_code == 415
    assert "<strong>b.html</strong>: File type not allowed" in answer.text
    assert "This file was stored:" in answer.text
    assert "<li>a.txt</li>" in answer.text
    assert names(site) == ["a.txt"]
    assert len(site.stored()) == 1


def test_files_beyond_the_quota_are_named_and_leave_nothing(
    make_site: MakeSite,
) -> None:
    site = make_site(GATEWAY_USER_QUOTA="5")
    site.add_user("ann")
    site.log_in()
    first = part("csrf_token", site.token("/").encode())
    answer = send(
        site, first + part("f", b"1234", "a.txt") + part("f", b"5678", "b.txt") + END
    )
    assert answer.status_code == 507
    assert names(site) == ["a.txt"]
    assert len(site.stored()) == 1


def test_a_form_without_a_free_slot_gets_503_and_retry_after(
    site: Site, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finalise_slots, "LARGE", 1)
    body = first + part("file", b"x", "a.txt") + END
    with monkeypatch.context() as full:
        full.setattr("threading.Semaphore.acquire", lambda *_, **__: False)
        busy = send(site, body)
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
    assert site.stored() == []
    assert send(site, body).status_code == 303


def test_a_form_whose_files_are_all_refused_keeps_no_room(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_DENIED_TYPES="text/html")
    site.add_user("ann")
    site.log_in()
    first = part("csrf_token", site.token("/").encode())
    assert site.client.get("/_admit", headers=ABOUT).status_code == 204
    answer = send(site, first + part("f", b"x", "a.html") + END)
    assert (answer.status_code, make_reservations(site)) == (415, 0)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next cause be logged at once."""
    for log in (OUTAGES, BUCKET_OUTAGES):
        monkeypatch.setattr(log, "_next", 0.0)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    "outage",
    [
        # The next file would wait as long for a silent server.
        pytest.param((BucketBusyError("bucket s3://media is away"), 2), id="bucket"),
        pytest.param((CatalogBusyError("the catalog is away"), 3), id="catalog"),
    ],
)
def test_what_an_outage_keeps_from_being_stored_is_named(
    site: Site,
    first: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    outage: tuple[Exception, int],
) -> None:
    error, tries = outage
    tried: list[str] = []
    adopt = DiskBlobs.adopt

    def failing(blobs: DiskBlobs, source: Path, upload_id: str, suffix: str) -> str:
        tried.append(upload_id)
        if len(tried) > 1:
            raise error
        return adopt(blobs, source, upload_id, suffix)

    monkeypatch.setattr(DiskBlobs, "adopt", failing)
    assert site.client.get("/_admit", headers=ABOUT).status_code == 204
    files = [part("f", b"x", f"{name}.txt") for name in "abc"]
    answer = send(site, first + b"".join(files) + END)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    for name in "bc":
        refusal = f"<strong>{name}.txt</strong>: Service temporarily unavailable"
        assert refusal in answer.text
    assert "<li>a.txt</li>" in answer.text
    assert names(site) == ["a.txt"]
    assert str(error) in caplog.text
    assert len(tried) == tries


@pytest.mark.parametrize("error", [BucketBusyError("away"), CatalogBusyError("away")])
def test_a_form_of_which_nothing_is_stored_in_an_outage_keeps_no_room(
    site: Site, first: bytes, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object) -> str:
        raise error

    monkeypatch.setattr(DiskBlobs, "adopt", failing)
    assert site.client.get("/_admit", headers=ABOUT).status_code == 204
    answer = send(site, first + part("f", b"x", "a.txt") + END)
    assert (answer.status_code, make_reservations(site)) == (503, 0)


def test_a_full_disk_is_reported_and_leaves_nothing(
    site: Site, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = first + part("file", b"x", "a.txt") + END

    def full(_: BlobStore) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BlobStore, "empty_file", full)
    answer = send(site, body)
    assert (answer.status_code, answer.headers["X-Gateway-Reason"]) == (507, "no-space")


@pytest.mark.usefixtures("ann")
def test_a_fault_keeps_no_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(FormUploads, "_store_files", fail)
    assert site.client.get("/_admit", headers=ABOUT).status_code == 204
    assert send(site, END).status_code == 500
    assert make_reservations(site) == 0


ABOUT = {
    "X-Original-URI": "/upload",
    "X-Original-Method": "POST",
    "X-Original-Length": "50",
    "X-Request-ID": "a",
}


@pytest.mark.usefixtures("ann")
def test_an_admission_reserves_and_a_refused_form_gives_back(site: Site) -> None:
    room = {**ABOUT, "X-Original-Length": str(2**30)}
    admitted = site.client.get("/_admit", headers=room)
    send(site, END)
    again = make_reservations(site)
    assert (admitted.status_code, again) == (204, 0)


def make_reservations(site: Site) -> int:
    with site.database.read() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM reservations")
        count: int = found.scalar_one()
    return count


def test_a_refused_admission_carries_a_page_in_one_line(site: Site) -> None:
    answer = site.client.get("/_admit", headers=ABOUT)
    page = answer.headers["X-Refusal-Body"]
    assert (answer.status_code, answer.headers["X-Refusal-Status"]) == (403, "401")
    assert page.isascii()
    assert re.search(r"<h1>Please log in</h1>.*Log in</a>", page)
    # nginx takes the headers of an answer in one buffer.
    assert len(page) < 3000


@pytest.mark.parametrize(
    ("limit", "length", "status"),
    [
        pytest.param({"GATEWAY_UPLOAD_SIZE": "10"}, 2**21, "413", id="size"),
        pytest.param({"GATEWAY_USER_QUOTA": "10"}, 2**21, "507", id="quota"),
        pytest.param({"GATEWAY_FREE_SPACE": str(2**60)}, 5, "507", id="free space"),
    ],
)
def test_an_admission_judges_by_the_length(
    make_site: MakeSite, limit: dict[str, str], length: int, status: str
) -> None:
    site = make_site(**limit)
    site.add_user("ann")
    site.log_in()
    about = {**ABOUT, "X-Original-Length": str(length)}
    answer = site.client.get("/_admit", headers=about)
    assert answer.headers["X-Refusal-Status"] == status


def test_reloading_the_form_s_address_leads_to_the_page(site: Site) -> None:
    answer = site.client.get("/upload")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.usefixtures("ann")
def test_an_upload_is_deleted_by_its_form(site: Site) -> None:
    token = site.token("/")
    send(
        site,
        part("csrf_token", token.encode()) + part("f", b"x", "a<b>.txt") + END,
    )
    page = site.client.get("/").text
    found = re.search(r'name="id" value="([^"]+)"', page)
    assert found is not None
    fields = {"csrf_token": token, "id": found[1]}
    done = site.client.post("/delete", data=fields)
    again = site.client.post("/delete", data=fields)
    assert (done.status_code, again.status_code) == (303, 404)
    assert site.stored() == []


@pytest.mark.usefixtures("ann")
def test_somebody_else_s_upload_is_neither_shown_nor_deleted(site: Site) -> None:
    token = {"X-CSRF-Token": site.token("/")}
    made: Any = site.client.put("/api/v1/files/mine.txt", headers=token).json
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    site.add_user("bea")
    site.log_in("bea")
    page = site.client.get("/").text
    answer = site.client.post(
        "/delete", data={"csrf_token": site.token("/"), "id": made["id"]}
    )
    assert "mine.txt" not in page
    assert answer.status_code == 404
    assert len(site.stored()) == 1
