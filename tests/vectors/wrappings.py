"""Links as mail filters wrap them, as data; users paste the wrapped link.

``{url}`` is the link, ``{quoted}`` the link as a query value, ``{dashed}`` the form of
Proofpoint's second version, ``{starred}`` and ``{left_out}`` the forms of its third.
"""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

_SAFE_LINKS: Final = "https://eur01.safelinks.protection.outlook.com/?url={quoted}"
WRAPPINGS: Final = {
    "Safe Links": f"{_SAFE_LINKS}&data=05%7C02%7Cann%40example.com&reserved=0",
    "Safe Links, of HTML": f"{_SAFE_LINKS}&amp;data=05%7C02&amp;reserved=0",
    "Safe Links, quoted-printable": (
        "https://nam11.safelinks.protection.outlook.com/?url=3D{quoted}&amp;data=3D05%7C"
    ),
    "Proofpoint 3": "https://urldefense.com/v3/__{starred}__;{left_out}!!ACW!Pk-w_x$",
    "Proofpoint 3, a domain": (
        "https://urldefense.us/v3/__{starred}__;{left_out}!!ACW!Pk-w_x$"
        " [files[.]example[.]com]"
    ),
    "Proofpoint 2": (
        "https://urldefense.proofpoint.com/v2/url?u={dashed}&d=DwIDaQ&c=s8&r=-q&m=i0&e="
    ),
    "Barracuda": (
        "https://linkprotect.cudasvc.com/url?a={quoted}&c=E,1,CM-Du_VX3Q,,&typo=1"
    ),
    "Proofpoint in Safe Links": (
        "https://eur01.safelinks.protection.outlook.com/?url="
        "https%3A%2F%2Furldefense.com%2Fv3%2F__{quoted}__%3B!!ACW!Pk%24&data=05%7C02"
    ),
}


def wrapped(template: str, url: str) -> str:
    """Return *url* as a filter wraps it."""
    left_out = base64.urlsafe_b64encode(b"%" * url.count("%")).decode().rstrip("=")
    dashed = "".join(c if c.isalnum() or c in "./" else f"-{ord(c):02X}" for c in url)
    return template.format(
        url=url,
        quoted=quote(url, safe=""),
        dashed=dashed.replace("/", "_"),
        starred=url.replace("%", "*"),
        left_out=left_out,
    )
