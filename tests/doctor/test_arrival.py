"""A doctor that is pointed at something else than a gateway says so, and soon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.doctor.arrival import Arrival
from gateway.doctor.client import Client, TooManyRequestsError
from gateway.doctor.results import Code, State
from gateway.doctor.target import Target
from tests.doctor.servers import dribble, pour, say, say_by_path, serving, silence
from tests.live.disks import require_root
from tests.live.ports import free_port
from tests.live.shown import PLACE
from tests.unit.command import script

if TYPE_CHECKING:
    from tests.doctor.servers import Behaviour
    from tests.unit.command import Run

#: Seconds for one request.
SECONDS = 0.5
WELCOME = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n<h1>Hi"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
MOVED = (
    b"HTTP/1.1 301 Moved\r\nLocation: https://files.example.com/healthz\r\n"
    b"Content-Length: 0\r\n\r\n"
)
HEALTHY = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"status": "healthy"}'
)
READY = b'HTTP/1.1 200 OK\r\n\r\n{"status": "ok"}'
#: The refusal of a gateway whose URLs have another path.
ELSEWHERE = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n\r\n"
    b'{"type": "/media/problems/not-found", "request_id": "1"}'
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OVERLOADED = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
LIST = b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 20_000
OTHERS = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n\r\n"
    b'{"type": "about:blank"}'
)


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        pytest.param(say(WELCOME), Code.NOT_A_GATEWAY, "200 (text/html)", id="nginx"),
        pytest.param(say(MISSING), Code.NOT_A_GATEWAY, "with 404", id="404"),
        pytest.param(say(HEALTHY), Code.NOT_A_GATEWAY, "200", id="other-health"),
        pytest.param(say(LIST), Code.NOT_A_GATEWAY, "200", id="deep-json"),
        pytest.param(say(OTHERS), Code.NOT_A_GATEWAY, "401", id="other-problems"),
        pytest.param(
            say(MOVED),
            Code.NOT_A_GATEWAY,
            "redirects to https://files.example.com/healthz",
            id="redirect",
        ),
        pytest.param(
            say(ELSEWHERE),
            Code.PATH_PREFIX,
            "/api/v1/files is not found",
            id="other-path",
        ),
        pytest.param(
            say_by_path({"/healthz": READY}, ELSEWHERE),
            Code.PATH_PREFIX,
            "/api/v1/files is not found",
            id="path-removed",
        ),
        pytest.param(
            say(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
            Code.NOT_A_GATEWAY,
            "the gateway behind it does not",
            id="proxy-alone",
        ),
        pytest.param(
            say(b"\x15\x03\x01\x00\x02\x02\x46"),
            Code.UNREACHABLE,
            "its answer is not HTTP",
            id="garbage",
        ),
        pytest.param(
            say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200),
            Code.UNREACHABLE,
            "its answer is not HTTP",
            id="headers-without-end",
        ),
        pytest.param(
            say(CHUNKED + b"-5\r\n\r\n"),
            Code.UNREACHABLE,
            "its answer is not HTTP",
            id="negative-chunk",
        ),
        pytest.param(
            say_by_path({"/healthz": READY}, OVERLOADED),
            Code.NOT_READY,
            "with 503",
            id="limited-by-a-proxy",
        ),
        pytest.param(
            say(b""), Code.UNREACHABLE, "closed the connection", id="hanging-up"
        ),
        pytest.param(
            silence, Code.UNREACHABLE, "no answer within 0.5 seconds", id="silent"
        ),
        pytest.param(
            dribble, Code.UNREACHABLE, "no answer within 0.5 seconds", id="dribbling"
        ),
        pytest.param(pour, Code.NOT_A_GATEWAY, "200", id="pouring"),
    ],
)
def test_what_is_no_gateway_is_said_to_be_none(
    behaviour: Behaviour, code: Code, words: str
) -> None:
    with serving(behaviour) as port:
        target = Target.parse(f"http://127.0.0.1:{port}")
        arrival = Arrival(Client(target, seconds=SECONDS))
        result = arrival.check()[-1]
    assert (result.code, result.state) == (code, State.FOUND)
    assert words in result.text
    assert not arrival.is_gateway


def test_a_port_that_speaks_no_tls_is_unreachable() -> None:
    with serving(say(WELCOME)) as port:
        target = Target.parse(f"https://127.0.0.1:{port}")
        (result,) = Arrival(Client(target)).check()
    assert (result.code, result.state) == (Code.UNREACHABLE, State.FOUND)
    assert "TLS error: " in result.text


def test_a_machine_without_a_network_tells_nothing_of_the_deployment() -> None:
    require_root()
    ran = script("unshare", "--net", "gateway", "doctor", PLACE, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    (result,) = json.loads(ran.stdout)["not_checked"]
    assert result["code"] == "unreachable"
    assert result["text"].startswith("this machine has no network")


def test_a_limit_of_requests_tells_nothing_of_the_deployment() -> None:
    busy = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
    with serving(say(busy)) as port:
        target = Target.parse(f"http://127.0.0.1:{port}")
        with pytest.raises(TooManyRequestsError):
            Arrival(Client(target)).check()


def test_the_answer_of_a_server_can_t_change_the_terminal() -> None:
    hostile = b"HTTP/1.1 301 Moved\r\nLocation: /\x1b[2Jx\xe2\x80\xae\r\n\r\n"
    with serving(say(hostile)) as port:
        target = Target.parse(f"http://127.0.0.1:{port}")
        *_, result = Arrival(Client(target)).check()
    assert "redirects to / [2Jx" in result.text
    assert result.text.isprintable()


def test_the_command_prints_the_finding_and_what_mends_it(run: Run) -> None:
    with serving(say(WELCOME)) as port:
        ran = run("doctor", f"http://127.0.0.1:{port}")
    code, _, text = (
        ran.out.splitlines()[0].removeprefix("finding").strip().partition(":")
    )
    assert (ran.status, code) == (1, "not-a-gateway")
    assert f"http://127.0.0.1:{port} is no gateway" in text
    assert "Run gateway doctor with the gateway's own address" in ran.out
    assert "1 findings" in ran.err


def test_the_command_prints_json_for_a_closed_port(run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = run("doctor", url, "--json")
    facts = json.loads(ran.out)
    assert (ran.status, ran.err, facts["url"]) == (1, "", url)
    (finding,) = facts["findings"]
    assert finding["code"] == "unreachable"
    assert finding["text"] == f"{url} can't be reached: Connection refused."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["files.example.com"], "must be like https://", id="no-scheme"),
        pytest.param(["ftp://files.example.com"], "must be like", id="scheme"),
        pytest.param(["https://"], "must be like", id="no-host"),
        pytest.param(["https://a:b"], "must be like", id="port"),
        pytest.param(["https://a:0"], "must be like", id="port-0"),
        pytest.param(["https://[::1"], "must be like", id="bracket"),
        pytest.param(["https://a b"], "must be like", id="blank"),
        pytest.param(["https://u:secret@a"], "without user", id="user"),
        pytest.param(["https://a/?b"], "without user, query", id="query"),
        pytest.param(["https://a/\u00e4"], "percent-encoded", id="path"),
        pytest.param(["http://a", "--connect", "b"], "HOST:PORT", id="no-port"),
        pytest.param(
            ["http://a", "--connect", ":1"], "HOST:PORT", id="connect-no-host"
        ),
        pytest.param(["http://a", "--connect", "b:c"], "HOST:PORT", id="connect-port"),
    ],
)
def test_wrong_usage_is_status_2(run: Run, arguments: list[str], words: str) -> None:
    ran = run("doctor", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err.splitlines()[-1]


def test_without_any_url_there_is_nothing_to_look_at(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWAY_PUBLIC_URL")
    Path("var").mkdir()
    Path("var/url").write_text("damaged\n")
    ran = run("doctor")
    assert (ran.status, ran.out) == (1, "")
    assert "GATEWAY_PUBLIC_URL: is not set" in ran.err


@pytest.mark.parametrize(
    ("url", "shown", "is_loopback"),
    [
        pytest.param("HTTPS://Files.Example.com/", "https://files.example.com", False,
                     id="case"),
        pytest.param("https://a:443/b/", "https://a/b", False, id="default-port"),
        pytest.param("http://[::1]:8080", "http://[::1]:8080", True, id="ipv6"),
        pytest.param("http://127.9.9.9", "http://127.9.9.9", True, id="loopback"),
        pytest.param("http://localhost", "http://localhost", True, id="localhost"),
    ],
)  # fmt: skip
def test_an_address_has_one_text(url: str, shown: str, *, is_loopback: bool) -> None:
    target = Target.parse(url)
    assert (str(target), target.is_loopback) == (shown, is_loopback)
