"""Record what version 0.1.0 wrote and answered: ``python -m tests.upgrade.record``.

It writes new keys, and with them new links.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.live.stack import wait_until
from tests.upgrade.releases import FIRST, Machine, unpack

if TYPE_CHECKING:
    import requests

#: The data folder, and the links with their answers.
RECORDED: Final = Path(__file__).with_name("recorded")
FAR: Final = ("--expires", "2999-12-31T00:00:00Z")
_UMLAUT: Final = "reports/2026/grün.txt"
_BEGUN: Final = ("--not-before", "2026-01-01T00:00:00Z")
#: The network of the tests' clients.
_CLIENTS: Final = ("--ip", "2001:db8::/32")
FILES: Final = {
    "hello.txt": "hello\n",
    "page.html": "<p>hello\n",
    "reports/q3.txt": "third quarter\n",
    _UMLAUT: "green\n",
}
#: Links: what ``gateway sign`` got, and what is appended to a folder's link.
LINKS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "a file": (("hello.txt", *FAR), ""),
    "a file in a folder": (("reports/q3.txt", *FAR), ""),
    "a name beyond ASCII": ((_UMLAUT, *FAR), ""),
    "no expiry": (("hello.txt", "--no-expiry"), ""),
    "a folder": (("reports/", "--folder", *FAR), "q3.txt"),
    "a folder, further below": (("reports/", "--folder", *FAR), "2026/gr%C3%BCn.txt"),
    "a folder alone": (("reports/", "--folder", *FAR), ""),
    "a page": (("page.html", *FAR), ""),
    "inline": (("hello.txt", "--inline", *FAR), ""),
    "attachment": (("hello.txt", "--attachment", *FAR), ""),
    "a download name": (("hello.txt", "--name", "grüße & more.txt", *FAR), ""),
    "a rate": (("hello.txt", "--rate", "1000000", *FAR), ""),
    "its network": (("hello.txt", "--ip", "192.0.2.0/24", *_CLIENTS, *FAR), ""),
    "another network": (("hello.txt", "--ip", "203.0.113.0/24", *FAR), ""),
    "begun": (("hello.txt", *_BEGUN, *FAR), ""),
    "not begun": (("hello.txt", "--not-before", "2999-01-01T00:00:00Z", *FAR), ""),
    "expired": (("hello.txt", "--expires", "1s"), ""),
    "all at once": (
        (
            "hello.txt",
            "--attachment",
            "--name",
            "a.txt",
            "--rate",
            "1000000",
            *_CLIENTS,
            *_BEGUN,
            *FAR,
        ),
        "",
    ),
    "a file that is missing": (("missing.txt", *FAR), ""),
}
#: Headers that tell what is delivered.
HEADERS: Final = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Length",
    "Content-Type",
)


def put_files(machine: Machine) -> None:
    """Put the files that the links lead to into the files folder."""
    for name, text in FILES.items():
        machine.put(name, text.encode())


def answer(response: requests.Response) -> dict[str, Any]:
    """Return what must stay; a refusal's page may change."""
    if response.status_code != 200:
        return {"status": response.status_code}
    headers = {name: response.headers.get(name) for name in HEADERS}
    return {"status": 200, "headers": headers, "body": response.text}


def main() -> None:
    """Record anew."""
    shutil.rmtree(RECORDED, ignore_errors=True)
    machine = Machine()
    with tempfile.TemporaryDirectory() as folder:
        machine.source = unpack(FIRST, Path(folder))
        put_files(machine)
        with machine.serving(machine.source):  # this makes a key
            links = record(machine)
    # Only what is not made anew at each start.
    shutil.copytree(
        machine.data, RECORDED / "data", ignore=shutil.ignore_patterns("run")
    )
    machine.remove()
    text = json.dumps(links, indent=1, ensure_ascii=False)
    (RECORDED / "links.json").write_text(f"{text}\n")


def record(machine: Machine) -> list[dict[str, Any]]:
    """Sign the links, the second half with a second key; return them with answers."""
    links: dict[str, str] = {}
    for number, (name, (arguments, below)) in enumerate(LINKS.items()):
        if number == len(LINKS) // 2:
            machine.said("keys", "new", "--add")
            machine.reload()
            wait_until(lambda: machine.log_has("gateway: reloaded"), what="reloaded")
        links[name] = machine.said("sign", *arguments) + below
    wait_until(
        lambda: machine.send(links["expired"]).status_code == 410,
        what="the link has expired",
    )
    return [
        {
            "name": name,
            "path": url.removeprefix(machine.url),
            "answer": answer(machine.send(url)),
        }
        for name, url in links.items()
    ]


if __name__ == "__main__":
    main()
