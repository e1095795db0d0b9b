"""What linters can't tell of the layout: nginx's internal locations."""

from __future__ import annotations

import re

from gateway.delivery import accel
from tests.unit.rendered import rendered

#: The internal locations for an nginx without a gateway, which have the same names.
ALONE = "snippets/internal.conf"


def locations(*, alone: bool = False, **chosen: str) -> dict[str, str]:
    """Return the body of every top-level location of the gateway, or of ALONE."""
    texts = [
        text
        for name, text in rendered(**chosen).items()
        if name.startswith("snippets/") and (name == ALONE) is alone
    ]
    bare = re.sub(r"(?m)^\s*#.*\n", "", "\n".join(texts))
    found = re.finditer(r"(?ms)^location (?:[=~^*]+ )?(\S+) \{\n(.*?)^\}", bare)
    return {match[1]: match[2] for match in found}


def delivering() -> set[str]:
    """Return the internal locations with an alias that send deliveries."""
    wanted = (r"^ +internal;$", r"^ +alias .+/;$", r"^ +include .+/delivery\.conf;$")
    return {
        name
        for name, body in locations().items()
        if all(re.search(line, body, re.MULTILINE) for line in wanted)
    }


def sending() -> set[str]:
    """Return the locations that send deliveries, internal or not."""
    bodies = locations().items()
    return {name for name, body in bodies if "/delivery.conf;" in body}


def internal() -> set[str]:
    """Return all internal locations with an alias."""
    bodies = locations().items()
    return {n for n, body in bodies if "internal;" in body and "alias " in body}


def prefixes() -> set[str]:
    """Return the internal locations that verdicts name."""
    folders = ("files", "blobs")
    return {accel.location(way, folder) for way in accel.Way for folder in folders}


#: nginx's own error pages, which no verdict may name.
PAGES = "/_pages/"


def test_the_prefixes_in_python_are_the_internal_locations_of_nginx() -> None:
    """A prefix on one side alone is a 404, or a endpoint that nobody watches."""
    assert prefixes() == delivering()
    assert prefixes() == internal() - {PAGES}


def test_an_nginx_without_a_gateway_has_the_internal_locations_of_files() -> None:
    """And no other location: the URLs are the site's."""
    files = {accel.location(way, "files") for way in accel.Way}
    found = locations(alone=True)
    assert set(found) == files
    for name, body in found.items():
        as_of_the_gateway = locations()[name]
        assert body == as_of_the_gateway.replace(
            "/delivery.conf", "/internal_delivery.conf"
        )


def test_no_location_sends_deliveries_but_internal_ones() -> None:
    """What a client can ask for by itself needs no verdict."""
    assert sending() == delivering()


def test_every_prefix_ends_in_a_slash() -> None:
    """Without it a path could reach a folder beside the one that is served."""
    assert {prefix for prefix in prefixes() if not prefix.endswith("/")} == set()
