"""No log shows a token, wherever in a line it stands."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from gateway.links import Key, KeyRing, LinkSigner
from gateway.runtime.gunicorn_logger import RedactingLogger
from gateway.runtime.logs import BLANK, RedactingFormatter, redact, redact_line
from tests.unit.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAC = "Aa0_-" * 4 + "Zg"
TOKEN = f"kkey1.e1900000000.i1800000000.{MAC}"
DISGUISED = TOKEN.replace(".", "%2E")
SIGNER = LinkSigner(KeyRing((Key.generate(),)), "https://files.example.com")


WITH_TOKEN = [
    pytest.param(
        f'request: "GET /s/{TOKEN}/a/b.txt HTTP/1.1", host: "x"',
        f'request: "GET /s/{BLANK}/a/b.txt HTTP/1.1", host: "x"',
        id="request-line",
    ),
    pytest.param(
        f'upstream: "http://unix:/run/g.sock:/s/{TOKEN}/a.txt"',
        f'upstream: "http://unix:/run/g.sock:/s/{BLANK}/a.txt"',
        id="upstream",
    ),
    pytest.param(
        f'referrer: "https://files.example.com/s/{TOKEN}/"',
        f'referrer: "https://files.example.com/s/{BLANK}/"',
        id="referrer",
    ),
    pytest.param(f"/s/{TOKEN}?x=1", f"/s/{BLANK}?x=1", id="query"),
    pytest.param(f"/s//{TOKEN}/a", f"/s//{BLANK}/a", id="two-slashes"),
    pytest.param("/s/made-up/a", f"/s/{BLANK}/a", id="no-mac"),
    pytest.param("/d/code.mac/name", f"/d/{BLANK}/name", id="share-link"),
    pytest.param("/l/lease/name", f"/l/{BLANK}/name", id="lease"),
    pytest.param("/u/code.mac", f"/u/{BLANK}", id="drop-link"),
    pytest.param(f"/S/{TOKEN}/a", f"/S/{BLANK}/a", id="other-case"),
    pytest.param("/U/CODE", f"/U/{BLANK}", id="drop-link-in-capitals"),
    pytest.param("/%44/CODE", f"/%44/{BLANK}", id="encoded-capital"),
    pytest.param("%2F%4cDE %2F%4c%2FDE", f"%2F%4cDE %2F%4c%2F{BLANK}", id="lease"),
    pytest.param("/u/code=code%20code.", f"/u/{BLANK}", id="drop-link-that-was-broken"),
    pytest.param(f"%2Fs%2F{TOKEN}%2Fa", f"%2Fs%2F{BLANK}", id="encoded"),
    pytest.param(
        f"/%73/{DISGUISED}/a", f"/%73/{BLANK}/a", id="encoded-family-and-dots"
    ),
    pytest.param(
        f"/x/{DISGUISED}/a",
        f"/x/{DISGUISED[:-25]}%2E{BLANK}/a",
        id="encoded-dots-elsewhere",
    ),
    pytest.param(
        f"/%2573/{DISGUISED.replace('%', '%25')}/a",
        f"/%2573/{BLANK}/a",
        id="encoded-twice",
    ),
    pytest.param("%2f%6C%2fcode", f"%2f%6C%2f{BLANK}", id="encoded-lease"),
    pytest.param("/%64/code.mac", f"/%64/{BLANK}", id="encoded-share-link"),
    pytest.param("/%75/code.mac", f"/%75/{BLANK}", id="encoded-drop-link"),
    pytest.param(
        f"/x/kkey1.e0.i1.%41{MAC[1:]}/a",
        f"/x/kkey1.e0.i1.{BLANK}/a",
        id="encoded-letter-of-a-mac",
    ),
    pytest.param(
        f'referrer: "https://a.example/x?token=gwt_abcdefghijkl_{MAC}{MAC}&x=1"',
        f'referrer: "https://a.example/x?token=gwt_{BLANK}&x=1"',
        id="bearer-token",
    ),
    pytest.param(
        f"/x/gwt%5Fabcdefghijkl%255f{MAC}/a",
        f"/x/gwt%5F{BLANK}/a",
        id="encoded-bearer-token",
    ),
    pytest.param(
        'upstream: "https://s3.example/b/a.txt?X-Amz-Date=20300131T120000Z'
        '&X-Amz-Credential=KEY%2F20300131&X-Amz-Signature=0a1b2c", host: "x"',
        f'upstream: "https://s3.example/b/a.txt?X-Amz-Date={BLANK}'
        f'&X-Amz-Credential={BLANK}&X-Amz-Signature={BLANK}", host: "x"',
        id="presigned-url",
    ),
    pytest.param(
        f"a /s/{TOKEN}/1 b /s/{TOKEN}/2",
        f"a /s/{BLANK}/1 b /s/{BLANK}/2",
        id="two-in-a-line",
    ),
    pytest.param(
        f"File 'x'\n  raise Y('/s/{TOKEN}/a')\n",
        f"File 'x'\n  raise Y('/s/{BLANK}/a')\n",
        id="lines",
    ),
    pytest.param(
        f'{{"uri": "/s/{TOKEN}", "n": [1]}}',
        f'{{"uri": "/s/{BLANK}", "n": [1]}}',
        id="json",
    ),
]


@pytest.mark.parametrize(("line", "shown"), WITH_TOKEN)
def test_a_token_is_blanked_and_the_rest_is_kept(line: str, shown: str) -> None:
    """The operator still sees which file, which host and what went wrong."""
    assert redact(line) == shown


WITHOUT_TOKEN = [
    pytest.param("", id="nothing"),
    pytest.param("Booting worker with pid: 42", id="words"),
    pytest.param('open() "/srv/files/a.txt" failed (2: No such file)', id="path"),
    pytest.param("GET /healthz HTTP/1.1", id="health"),
    pytest.param("GET /_files/sub/deep/a.txt", id="internal"),
    pytest.param("/srv/data/logs/x", id="families-letters-at-ends-of-names"),
    pytest.param("/s/", id="family-alone"),
    pytest.param("report.2030-01-31.pdf", id="dots"),
]


@pytest.mark.parametrize("line", WITHOUT_TOKEN)
def test_a_line_without_a_token_is_kept_letter_for_letter(line: str) -> None:
    """Blanking more than tokens would hide what the operator needs."""
    assert redact(line) == line


@pytest.fixture(scope="session")
def by_sed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return what does to a line what the container of nginx does to its error log."""
    rules = tmp_path_factory.mktemp("sed") / "redact.sed"
    rules.write_text(rendered()["redact.sed"])

    def applied(line: str) -> str:
        done = subprocess.run(
            ["sed", "-E", "-f", rules],
            input=line,
            capture_output=True,
            check=True,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        )
        return done.stdout

    return applied


def test_in_the_container_the_same_is_blanked(by_sed: Callable[[str], str]) -> None:
    """There nginx's error log passes through sed, with the same rules."""
    lines = [str(case.values[0]) for case in [*WITH_TOKEN, *WITHOUT_TOKEN]]
    assert by_sed("\n".join(lines)) == "\n".join(map(redact, lines))


START = "2030/01/31 12:00:00 "
CLIENT = ', client: 192.0.2.1, request: "PUT /a HTTP/1.1"'


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("client intended to send too large body: 9 bytes", id="413"),
        pytest.param(
            "client intended to send too large chunked body: 0+9 bytes", id="chunked"
        ),
        pytest.param("client sent invalid chunked body", id="bad chunk"),
        pytest.param("access forbidden by rule", id="denied"),
    ],
)
def test_a_client_s_fault_is_no_error(by_sed: Callable[[str], str], words: str) -> None:
    """It has its status in the access log; errors are what an operator mends."""
    line = f"{START}[error] 7#8: *9 {words}{CLIENT}\n"
    shown = f"{START}[info] 7#8: *9 {words}{CLIENT}\n"
    assert (redact_line(line), by_sed(line)) == (shown, shown)


def test_a_download_that_outlasts_its_verdict_is_no_alert(
    by_sed: Callable[[str], str],
) -> None:
    """Nginx takes the verdict, which the download still holds, for one left behind."""
    words = "7#7: ignore long locked inactive cache entry 2493d21c030e, count:3\n"
    line, shown = f"{START}[alert] {words}", f"{START}[info] {words}"
    assert (redact_line(line), by_sed(line)) == (shown, shown)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(
            f"{START}[error] 7#7: *9 connect() failed{CLIENT}\n", id="connect"
        ),
        pytest.param(
            f'{START}[error] 7#7: *9 open() "a client sent" failed{CLIENT}\n', id="file"
        ),
        pytest.param(f"{START}[crit] 7#7: *9 client x{CLIENT}\n", id="worse"),
        pytest.param(f"x {START}[error] 7#7: *9 client x\n", id="in another line"),
        pytest.param("[ERROR] client x\n", id="not nginx's"),
    ],
)
def test_an_error_stays_one(by_sed: Callable[[str], str], line: str) -> None:
    """No text of a client's can make its own error a lesser one."""
    assert (redact_line(line), by_sed(line)) == (line, line)


PIECES = [
    "/",
    "%2F",
    "%252f",
    "s",
    "%73",
    "%6c",
    "x",
    ".",
    "%2E",
    "%252e",
    "%2B",
    "%",
    "&",
    "X-Amz-Signature=",
    "A",
    "%41",
    "%5F",
    "gwt",
    "_",
    '"',
    "?",
    "[",
    "]",
    ",",
]


@given(st.lists(st.sampled_from([*PIECES, " ", MAC[:21], MAC, TOKEN])).map("".join))
def test_both_logs_blank_any_line_the_same(
    by_sed: Callable[[str], str], line: str
) -> None:
    """Python and sed read the rules alike."""
    assert by_sed(line) == redact_line(line)


def test_blanking_twice_is_blanking_once() -> None:
    """The lines of gunicorn pass two redactions: its own and the supervisor's."""
    once = redact(f"GET /s/{TOKEN}/a.txt and {TOKEN}")
    assert redact(once) == once


@given(
    path=st.text(
        st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"),
        min_size=1,
        max_size=9,
    )
)
def test_no_signed_url_survives(path: str) -> None:
    """Whatever a real signer makes, in whole or as its token alone, is blanked."""
    url = SIGNER.sign(f"a/{path}x", expires=timedelta(hours=1))
    mac = url.split("/")[4].rpartition(".")[2]
    shown = redact(f'"GET {url}" {url.split("/")[4]}')
    assert mac not in shown
    # A path may look like a MAC itself.
    assert shown.count(BLANK) >= 2


def test_a_traceback_is_blanked_too() -> None:
    """An exception's words and its record's arguments pass the same blanking."""
    record = logging.LogRecord(
        "x", logging.ERROR, __file__, 1, "at %s", (f"/s/{TOKEN}/a",), failure()
    )
    text = RedactingFormatter("%(levelname)s %(message)s").format(record)
    assert text.startswith(f"ERROR at /s/{BLANK}/a\nTraceback")
    assert text.endswith(f"'/s/{BLANK}/b'")
    assert MAC not in text


def failure() -> Any:
    """Return what ``exc_info`` is for an exception that quotes a URL."""
    try:
        int(f"/s/{TOKEN}/b")
    except ValueError:
        return sys.exc_info()


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Let gunicorn's logging write to a string, and put it back afterwards."""
    names = (None, "gunicorn.error", "gunicorn.access")
    loggers = [logging.getLogger(name) for name in names]
    before = [(x.handlers[:], x.level, x.propagate) for x in loggers]
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    RedactingLogger(Config())
    yield text
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.mark.parametrize(
    "logger",
    [
        pytest.param("gunicorn.error", id="gunicorn"),
        pytest.param("gateway.app", id="Flask"),
    ],
)
def test_what_a_worker_logs_is_one_blanked_line(
    stderr: io.StringIO, logger: str
) -> None:
    """Each record comes once, and from the library and the application alike."""
    logging.getLogger(logger).error("Error handling request /s/%s/a", TOKEN)
    lines = stderr.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f"ERROR Error handling request /s/{BLANK}/a")


def test_gunicorn_writes_no_access_log(stderr: io.StringIO) -> None:
    """The access log is nginx's: a second one would be a second place to leak."""
    logging.getLogger("gunicorn.access").info("GET /s/%s/a", TOKEN)
    assert stderr.getvalue() == ""


@pytest.mark.usefixtures("stderr")
def test_gunicorn_puts_nothing_together_for_an_access_log() -> None:
    """What would then be thrown away."""
    assert not RedactingLogger(Config()).access_log_enabled
