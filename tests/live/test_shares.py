"""Shares through nginx: the page, a lease, and what programs get."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.stack import ALWAYS, ORIGIN, wait_until

if TYPE_CHECKING:
    import requests

    from tests.live.stack import NativeStack, Stack

CONTENT = os.urandom(100_000)
BROWSER = {"Accept": "text/html,*/*;q=0.8", "Origin": ORIGIN}
#: Who visits a link in a mail before its reader, and leaves.
ROBOTS = [
    ("HEAD", {}),
    ("GET", {}),
    ("GET", {"Sec-Purpose": "prefetch;prerender"}),
    ("GET", {"Purpose": "prefetch"}),
    ("GET", {"X-Moz": "prefetch"}),
    ("POST", {"User-Agent": "SkypeUriPreview Preview/0.5"}),
    ("POST", {"User-Agent": "Barracuda Sentinel (EE)"}),
]


@pytest.fixture
def name(stack: Stack, request: pytest.FixtureRequest) -> str:
    """Return the path of a file of its own."""
    path = f"shared/{abs(hash(request.node.name))}.bin"
    stack.put(path, CONTENT)
    return path


def share(stack: Stack, *arguments: str) -> Any:
    found = json.loads(stack.gateway("shares", "new", *arguments, "--json"))
    for recipient in found["recipients"]:
        stack.tokens.add(recipient["url"].rpartition("/")[2])
    return found


def link(stack: Stack, *arguments: str) -> str:
    return str(share(stack, *arguments)["recipients"][0]["url"])


def press(stack: Stack, url: str, **fields: str) -> requests.Response:
    return stack.ask(url, "POST", headers=BROWSER, data=fields)


def leased(stack: Stack, url: str, **fields: str) -> str:
    answer = press(stack, url, **fields)
    assert answer.status_code == 303, answer.text
    path = answer.headers["Location"]
    stack.tokens.add(path.split("/")[2])
    return f"{stack.url}{path}"


@pytest.mark.bucket
@pytest.mark.database
@pytest.mark.docker
def test_a_person_gets_the_page_then_the_file(stack: Stack, name: str) -> None:
    url = link(stack, name, "--title", "For you")
    page = stack.ask(url, headers=BROWSER)
    file = stack.ask(leased(stack, url))
    assert (page.status_code, "For you" in page.text) == (200, True)
    assert (file.status_code, file.content == CONTENT) == (200, True)
    assert file.headers["Content-Disposition"] == (
        f'attachment; filename="{Path(name).name}"'
    )


@pytest.fixture(params=["0", "1"], ids=["open", "counted"])
def both(request: pytest.FixtureRequest, stack: Stack, name: str) -> tuple[str, str]:
    """Return the URLs of a lease and of a signed URL of the same file."""
    lease = leased(stack, link(stack, name, "--max", request.param))
    return lease, stack.sign(name)


@pytest.mark.bucket(extra=True)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="whole"),
        pytest.param({"Range": "bytes=10-19"}, 206, id="range"),
        pytest.param({"Range": "bytes=-5"}, 206, id="suffix"),
        pytest.param({"Range": "bytes=200000-"}, 416, id="beyond"),
        pytest.param({"If-None-Match": "*"}, 304, id="unchanged"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_lease_is_delivered_as_a_signed_url_is(
    stack: Stack,
    both: tuple[str, str],
    method: str,
    headers: dict[str, str],
    status: int,
) -> None:
    """Every header but what says how long it may be kept."""
    found = [stack.ask(url, method, headers=dict(headers)) for url in both]
    theirs, ours = ({**answer.headers} for answer in found)
    for own in ("X-Request-ID", "Date", "Cache-Control", "Content-Disposition"):
        assert (own in theirs) == (own in ours)
        theirs.pop(own, None), ours.pop(own, None)
    assert [answer.status_code for answer in found] == [status, status]
    assert theirs == ours
    assert found[0].content == found[1].content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_lease_is_for_downloads_alone(stack: Stack, name: str, method: str) -> None:
    url = leased(stack, link(stack, name))
    assert stack.ask(url, method).status_code in {404, 405}


@pytest.mark.bucket(extra=True)
@pytest.mark.parametrize("state", ["page", "forged", "revoked", "no item", "wrong"])
def test_every_answer_has_the_headers_of_all(
    stack: Stack, name: str, state: str
) -> None:
    made = share(stack, name, "--password", "secret")
    url = made["recipients"][0]["url"]
    asked = {"forged": f"{url[:-1]}{'0' if url[-1] != '0' else '1'}"}
    if state == "revoked":
        stack.gateway("shares", "revoke", made["id"])
    if state in {"no item", "wrong"}:
        said = {"item": "9/x"} if state == "no item" else {"password": "guess"}
        answer = press(stack, url, **said)
    else:
        answer = stack.ask(asked.get(state, url), headers=BROWSER)
    statuses = {
        "page": 200,
        "forged": 404,
        "revoked": 410,
        "no item": 404,
        "wrong": 403,
    }
    assert answer.status_code == statuses[state]
    assert {**answer.headers, **ALWAYS} == {**answer.headers}
    assert "text/html" in answer.headers["Content-Type"]


@pytest.mark.bucket(extra=True)
@pytest.mark.docker
def test_a_program_gets_the_bytes_by_the_link_itself(stack: Stack, name: str) -> None:
    url = link(stack, name)
    whole = stack.ask(url)
    part = stack.ask(url, headers={"Range": "bytes=10-19"})
    assert whole.content == CONTENT
    assert (part.status_code, part.content) == (206, CONTENT[10:20])


@pytest.mark.bucket(extra=True)
@pytest.mark.docker
def test_only_a_get_begins_a_counted_download(stack: Stack, name: str) -> None:
    url = link(stack, name, "--max", "1")
    lease = leased(stack, url)
    looked = stack.ask(lease, "HEAD")
    again = leased(stack, url)
    ended = stack.ask(lease)
    sent = stack.send(again)
    pressed = press(stack, url)
    assert (looked.status_code, ended.status_code) == (200, 410)
    assert "was not started in time" in stack.ask(lease, headers=BROWSER).text
    assert (sent.status_code, sent.content == CONTENT) == (200, True)
    assert (pressed.status_code, pressed.headers["Retry-After"]) == (409, "30")


@pytest.mark.docker
def test_a_person_gets_the_file_after_all_robots(stack: Stack, name: str) -> None:
    url = link(stack, name, "--max", "1")
    statuses = [
        stack.ask(url, method, headers=BROWSER | headers).status_code
        for method, headers in ROBOTS
    ]
    file = stack.send(leased(stack, url))
    assert statuses == [200] * 5 + [303] * 2
    assert (file.status_code, file.content == CONTENT) == (200, True)


def test_no_client_begins_a_download_by_itself(stack: Stack, name: str) -> None:
    lease = leased(stack, link(stack, name, "--max", "1"))
    path = lease.removeprefix(stack.url)
    headers = {"X-Original-URI": path, "X-Gateway-Run": "x"}
    statuses = {
        stack.send(f"{stack.url}{target}", headers=headers).status_code
        for target in ("/_begin", "/_begin/", "/@gateway_begin", f"/_begin{path}")
    }
    assert statuses == {404}


def test_a_program_posts_a_password(stack: Stack, name: str) -> None:
    url = link(stack, name, "--password", "secret")
    refused = stack.ask(url, headers={"Accept": "application/json"})
    answer = stack.ask(url, "POST", data={"password": "secret"})
    file = stack.ask(f"{stack.url}{answer.headers['Location']}")
    stack.tokens.add(answer.headers["Location"].split("/")[2])
    assert refused.json()["type"] == "/problems/password-required"
    assert file.content == CONTENT


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_revocation_ends_a_download_that_is_kept(stack: Stack, name: str) -> None:
    made = share(stack, name)
    url = leased(stack, made["recipients"][0]["url"])
    before = stack.ask(url).status_code
    stack.gateway("shares", "revoke", made["id"])
    stack.let_verdicts_end()
    assert (before, stack.ask(url).status_code) == (200, 410)


@pytest.mark.database
def test_an_upload_is_shared_by_the_api_and_outlives_nothing(stack: Stack) -> None:
    token = stack.new_token("upload", "share", "read")
    headers = {"Authorization": f"Bearer {token}"}
    put = f"{stack.url}/api/v1/files/.a%20b.txt"
    upload = stack.ask(put, "PUT", headers=headers, data=CONTENT).json()
    made = stack.ask(
        f"{stack.url}/api/v1/shares",
        "POST",
        headers=headers,
        json={"items": [{"upload": upload["id"]}]},
    ).json()
    url = made["recipients"][0]["url"]
    stack.tokens.add(url.rpartition("/")[2])
    lease = leased(stack, url)
    file = stack.ask(lease)
    changed = stack.ask(
        f"{stack.url}/api/v1/shares/{made['id']}",
        "PATCH",
        headers=headers,
        json={"title": "New"},
    )
    stack.ask(f"{stack.url}/api/v1/files/{upload['id']}", "DELETE", headers=headers)
    stack.let_verdicts_end()
    wait_until(lambda: stack.ask(lease).status_code == 410, what="the file is gone")
    assert file.content == CONTENT
    assert lease.endswith("/1/.a%20b.txt")
    assert (changed.status_code, changed.json()["title"]) == (200, "New")


def sent(stack: Stack, share_id: str) -> Any:
    """Return what is booked of a share's only recipient."""
    return json.loads(stack.gateway("shares", "show", share_id, "--json"))[
        "recipients"
    ][0]


def await_taken(stack: Stack, share_id: str, count: int) -> Any:
    wait_until(
        lambda: sent(stack, share_id)["taken"] == count, what="the ledger is booked"
    )
    return sent(stack, share_id)


@pytest.mark.bucket(extra=True)
@pytest.mark.database
@pytest.mark.docker
def test_a_counted_download_is_booked_and_used_up(stack: Stack, name: str) -> None:
    made = share(stack, name, "--max", "1")
    url = made["recipients"][0]["url"]
    file = stack.send(leased(stack, url))
    booked = await_taken(stack, made["id"], 1)
    pressed = press(stack, url)
    assert (file.content == CONTENT, booked["sent"]) == (True, len(CONTENT))
    assert (pressed.status_code, "Download limit reached" in pressed.text) == (
        410,
        True,
    )


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_lease_goes_on_when_its_link_is_used_up(stack: Stack, name: str) -> None:
    """Ranges, retries and resumes are one download, also by kept verdicts."""
    made = share(stack, name, "--max", "1")
    lease = leased(stack, made["recipients"][0]["url"])
    parts = [{"Range": f"bytes={n}-{n + 9999}"} for n in range(0, 100_000, 10_000)]
    first = [stack.send(lease, headers=part).content for part in parts[:5]]
    await_taken(stack, made["id"], 1)
    rest = [stack.ask(lease, headers=part).content for part in parts[5:]]
    assert b"".join(first + rest) == CONTENT
    wait_until(
        lambda: sent(stack, made["id"])["sent"] >= len(CONTENT), what="all is booked"
    )
    assert sent(stack, made["id"])["taken"] == 1


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_who_leaves_before_a_byte_is_sent_takes_nothing(
    stack: Stack, name: str
) -> None:
    url = link(stack, name, "--max", "1")
    lease = leased(stack, url)
    refused = stack.send(lease, headers={"Range": "bytes=999999999-"})
    busy = press(stack, url).status_code
    wait_until(
        lambda: press(stack, url).status_code == 303, what="the place is free again"
    )
    assert (refused.status_code, busy) == (416, 409)
    stack.let_verdicts_end()
    assert stack.send(lease).status_code == 410


def test_a_long_ledger_goes_on_in_another_file(native_stack: NativeStack) -> None:
    stack = native_stack
    stack.put("shared/long.bin", CONTENT)
    made = share(stack, "shared/long.bin")
    [script] = (stack.home / "data" / "run" / "conf" / "live").glob("ledger.sh")
    master, *_ = stack.processes("nginx")

    def download(count: int) -> None:
        """Have as many bytes booked as *count* downloads have, this one included."""
        stack.send(made["recipients"][0]["url"])
        wait_until(
            lambda: sent(stack, made["id"])["sent"] == count * len(CONTENT),
            what="it is booked",
        )

    download(1)
    subprocess.run(["sh", script, "rotate", str(master), "1"], check=True)
    wait_until(
        lambda: "current.log" in {Path(path).name for path in stack.store()},
        what="nginx begins another file",
    )
    download(2)


@pytest.mark.docker
def test_a_ledger_whose_file_is_deleted_loses_nothing(stack: Stack, name: str) -> None:
    made = share(stack, name, "--max", "2")
    url = made["recipients"][0]["url"]
    conf = stack.gateway("nginx-conf")
    file = re.search(r'access_log +"?([^" ]+/current\.log)', conf)
    assert file
    stack.send(leased(stack, url))
    stack.shell.run("rm", file[1])
    await_taken(stack, made["id"], 1)
    stack.send(leased(stack, url))
    await_taken(stack, made["id"], 2)


@pytest.mark.bucket
def test_a_program_s_download_by_the_link_is_booked(stack: Stack, name: str) -> None:
    made = share(stack, name)
    stack.ask(made["recipients"][0]["url"])
    wait_until(lambda: sent(stack, made["id"])["sent"] > 0, what="it is booked")
    booked = sent(stack, made["id"])
    assert (booked["sent"], booked["taken"]) == (len(CONTENT), 0)
