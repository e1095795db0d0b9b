"""Hypothesis strategies for all consistent sets of claims."""

from __future__ import annotations

import string
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gateway.links.claims import (
    MAXIMUM_NAME_BYTES,
    MAXIMUM_NUMBER,
    MAXIMUM_TIME,
    Claims,
    Presentation,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from gateway.links.texts import Network

KEY_IDS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=16)
NAMES = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc"],
        exclude_characters="/\u2028\u2029",
    ),
    min_size=1,
    max_size=MAXIMUM_NAME_BYTES,
).filter(lambda name: len(name.encode()) <= MAXIMUM_NAME_BYTES)
UPLOADS = st.none() | st.text(
    "abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26
)
DEPTHS = st.none() | st.integers(0, MAXIMUM_NUMBER)


def _networks() -> SearchStrategy[Network]:
    four = st.builds(
        lambda bits, prefix: IPv4Network((bits, prefix), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    )
    six = st.builds(
        lambda bits, prefix: IPv6Network((bits, prefix), strict=False),
        st.integers(0, 2**128 - 1),
        st.integers(0, 128),
    ).filter(lambda network: network.network_address.ipv4_mapped is None)
    return st.one_of(four, six)


@st.composite
def valid_claims(
    draw: DrawFn,
    key_ids: SearchStrategy[str] = KEY_IDS,
    depths: SearchStrategy[int | None] = DEPTHS,
    uploads: SearchStrategy[str | None] = UPLOADS,
) -> Claims:
    """Draw consistent claims."""
    issued = draw(st.integers(1, MAXIMUM_TIME - 1))
    expires = draw(st.none() | st.integers(issued + 1, MAXIMUM_TIME))
    last = MAXIMUM_TIME if expires is None else expires - 1
    depth = draw(depths)
    shared = draw(st.booleans())
    # Eight networks and the longest name fit into the maximum text.
    return Claims(
        key_id=draw(key_ids),
        issued=issued,
        expires=expires,
        not_before=draw(st.none() | st.integers(1, last)),
        depth=depth,
        presentation=draw(st.none() | st.sampled_from(Presentation)),
        name=draw(st.none() | NAMES) if depth is None else None,
        rate=draw(st.none() | st.integers(1, MAXIMUM_NUMBER)),
        shared=shared,
        networks=() if shared else tuple(draw(st.lists(_networks(), max_size=8))),
        upload=draw(uploads) if depth is None else None,
    )
