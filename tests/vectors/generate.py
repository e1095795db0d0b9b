"""Write ``signed_urls.json``: ``python -m tests.vectors.generate``.

The URLs come from ``gateway.links``.  Two other minters, which are based only on
``docs/links.md``, check them: see ``test_vectors.py``.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from gateway.links.claims import Claims, Presentation
from gateway.links.keyring import Key, KeyRing, Purpose
from gateway.links.restriction import Restriction
from gateway.links.signed_url import mint
from tests.vectors.cases import (
    BEYOND_KEY,
    ISSUED,
    KEYS,
    MALFORMED,
    MALFORMED_NETWORKS,
    MINTED,
    RESTRICTIONS,
    UNMINTABLE,
    UPLOAD,
    WEEK,
    WIDE,
)

FILE: Final = Path(__file__).with_name("signed_urls.json")
BASE: Final = "https://files.example.com"


def ring() -> KeyRing:
    """Return the vectors' keys."""
    return KeyRing(
        tuple(
            Key(
                key_id,
                secret,
                Restriction.parse(RESTRICTIONS[key_id])
                if key_id in RESTRICTIONS
                else None,
            )
            for key_id, secret in KEYS.items()
        )
    )


def read(key_id: str, claims: dict[str, Any]) -> Claims:
    """Return the claims of a vector."""
    networks = tuple(ip_network(network) for network in claims.get("networks", []))
    kind = claims.get("presentation")
    presentation = None if kind is None else Presentation(kind)
    typed = {"key_id": key_id, "networks": networks, "presentation": presentation}
    return Claims(**claims | typed)


def text() -> str:
    """Return the content of the file."""
    content = {
        "about": "Vectors of docs/links.md; written by tests/vectors/generate.py.",
        "base": BASE,
        "keys": KEYS,
        "restrictions": RESTRICTIONS,
        "minted": [_minted(*vector) for vector in MINTED],
        "unmintable": [
            {"name": name, "key": key, "claims": WEEK | claims, "path": path}
            for name, path, claims, key in (
                *((*vector, "docs01") for vector in UNMINTABLE),
                *BEYOND_KEY,
            )
        ],
        "refused": _refused(),
    }
    return json.dumps(content, indent=2) + "\n"


def _minted(name: str, path: str, claims: dict[str, Any], key: str) -> dict[str, Any]:
    claims = WEEK | claims
    url = BASE + mint(ring(), read(key, claims), path)
    return {"name": name, "key": key, "claims": claims, "path": path, "url": url}


def _refused() -> list[dict[str, Any]]:
    packed = {
        name: f"kdocs01.a{_pack(networks)}.e0.i{ISSUED}"
        for name, networks in MALFORMED_NETWORKS.items()
    }
    wide = f"kdocs01.a{_pack(','.join(WIDE))}.e0.i{ISSUED}.n{_pack('n' * 255)}"
    return [
        *(
            _case(name, "malformed", _signed(claims))
            for name, claims in {**MALFORMED, **packed, "too long": wide}.items()
        ),
        *_without_a_mac(),
        *_forged(),
        *_strangers(),
        *_beyond_key(),
        *_over(),
    ]


def _case(name: str, reason: str, token: str, **facts: Any) -> dict[str, Any]:
    usual = {"path": "a", "now": ISSUED, "client": "192.0.2.7"}
    return {"name": name, "reason": reason, "token": token, **usual, **facts}


def _signed(claims: str, covered: str = "a", key: str = "docs01") -> str:
    message = f"{claims}/{covered}".encode()
    return f"{claims}.{ring().mac(Purpose.SIGNED_URL, key, message)}"


def _without_a_mac() -> list[dict[str, Any]]:
    return [
        _case("nothing", "malformed", ""),
        _case("no dot", "malformed", "rubbish"),
        _case("claims alone", "malformed", f"kdocs01.e0.i{ISSUED}"),
    ]


def _forged() -> list[dict[str, Any]]:
    token = _signed(f"kdocs01.e0.i{ISSUED}")
    last = token[-1]
    upload = f"kdocs01.e0.i{ISSUED}.u{UPLOAD}"
    folder = _signed(f"kdocs01.d2.e0.i{ISSUED}", "a/b/")
    endings = {
        "a line break": "\r\n",
        "padding": "=",
        "two pads": "==",
        "stray bytes": "~~~~",
        "a dash": "-",
        "one more character": "A",
        "three more bytes": "AAAA",
    }
    spelled = {f"unused bits {n}": _next(last, n) for n in range(1, 16)}
    letters = {f"last letter {c}": c for c in "AQgw" if c != last}
    return [
        *(
            _case(f"{name} appended", "forged", token + ending)
            for name, ending in endings.items()
        ),
        *(
            _case(name, "forged", token[:-1] + end)
            for name, end in {**spelled, **letters}.items()
        ),
        _case("no mac", "forged", token[:-22]),
        _case("a cut mac", "forged", token[:-1]),
        _case("another expiry", "forged", token.replace("e0", "e1767830400")),
        _case("a claim more", "forged", token.replace(f"i{ISSUED}", f"i{ISSUED}.r9")),
        _case("shared", "forged", token.replace(f"i{ISSUED}", f"i{ISSUED}.s1")),
        _case("another key's id", "forged", token.replace("docs01", "block-64")),
        _case("another path", "forged", token, path="b"),
        _case("a longer path", "forged", token, path="a/b"),
        _case("a slash before", "forged", token, path="/a"),
        _case("beside the folder", "forged", folder, path="a/c/d"),
        _case("above the folder", "forged", folder, path="a/b"),
        _case("a name that begins alike", "forged", folder, path="a/bc/d"),
        _case("another name", "forged", _signed(upload), path="b"),
        _case("another upload", "forged", _signed(upload).replace(".um", ".un")),
        _case("no upload", "forged", _signed(upload).replace(f".u{UPLOAD}", "")),
        _case("a path to an upload", "forged", _signed(upload, "a/b"), path="a/b"),
        _case("a moved slash", "forged", folder, path="ab//d"),
    ]


def _next(letter: str, step: int) -> str:
    """Return the letter that differs from *letter* only in the unused bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) + step]


def _strangers() -> list[dict[str, Any]]:
    token = _signed(f"kdocs01.e0.i{ISSUED}")
    stranger = token.replace("docs01", "stranger")
    networks = _pack("203.0.113.0/24,2001:db8::/32")
    bound = _signed(f"kdocs01.a{networks}.e0.i{ISSUED}")
    return [
        _case("a key that is not on the ring", "unknown-key", stranger),
        *(
            _case(f"from {client or 'nowhere'}", "foreign-client", bound, client=client)
            for client in ("192.0.2.7", "2001:db9::7", "::ffff:192.0.2.7", "")
        ),
    ]


def _beyond_key() -> list[dict[str, Any]]:
    """Return forbidden links that a key has signed, as a leaked key could."""
    cases = []
    for name, path, claims, key in BEYOND_KEY:
        parsed = read(key, WEEK | claims)
        segments = path.split("/")[: parsed.depth]
        covered = path if parsed.depth is None else "".join(f"{s}/" for s in segments)
        token = _signed(str(parsed), covered, key)
        cases.append(_case(name, "beyond-key", token, path=path))
    later = _signed(str(read("reports", WEEK)), "reports/a", "reports")
    early = {"path": "reports/a", "now": ISSUED - 61}
    return [*cases, _case("issued 61 seconds from now", "beyond-key", later, **early)]


def _over() -> list[dict[str, Any]]:
    end = ISSUED + 60
    late = _signed(f"kdocs01.e{end}.i{ISSUED}")
    early = _signed(f"kdocs01.b{end}.e0.i{ISSUED}")
    return [
        _case("the second of its end", "expired", late, now=end),
        _case("a minute after its end", "expired", late, now=end + 60),
        _case("61 seconds early", "early", early, now=end - 61),
    ]


def _pack(raw: str) -> str:
    return urlsafe_b64encode(raw.encode()).decode().rstrip("=")


if __name__ == "__main__":
    FILE.write_text(text())
