"""Damage to a link between its sender and its reader, as data.

Each damage is a template: ``{link}`` is the whole link, ``{head}`` and ``{tail}`` are
its two parts; the tail begins in the middle of its token or code.  The templates are
written as they appear in the request.  All damaged links mean the original link.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

#: Not damage: a query is ignored.
QUERIES: Final = {
    "question mark": "{link}?",
    "query of a newsletter": "{link}?utm_source=news&utm_medium=email",
    "query of a network": "{link}?fbclid=IwAR0abc",
    "query of a mailing": "{link}?mc_eid=0123abcdef",
}
BEHIND: Final = {
    "full stop": "{link}.",
    "comma": "{link},",
    "semicolon": "{link};",
    "colon": "{link}:",
    "exclamation mark": "{link}!",
    "bracket": "{link})",
    "square bracket": "{link}]",
    "brace": "{link}}}",
    "angle bracket": "{link}>",
    "angle bracket, encoded": "{link}%3E",
    "angle bracket of HTML": "{link}&gt;",
    "quote": '{link}"',
    "quote, encoded": "{link}%22",
    "quote of HTML": "{link}&quot;",
    "apostrophe": "{link}'",
    "apostrophe of HTML": "{link}&#39;",
    "star": "{link}*",
    "two stars": "{link}**",
    "underscore": "{link}_",
    "backtick": "{link}`",
    "typographic quote": "{link}%E2%80%9D",
    "typographic apostrophe": "{link}%E2%80%99",
    "quote of Windows-1252": "{link}%94",
    "guillemet": "{link}%C2%BB",
    "ellipsis": "{link}%E2%80%A6",
    "full stop of Chinese": "{link}%E3%80%82",
    "full stop behind a bracket": "{link}).",
    "several": "{link}%E2%80%9D),",
    "end of an element": "{link}%3C/a%3E",
    "line end of HTML": "{link}%3Cbr%3E",
    "line feed": "{link}%0A",
    "line end": "{link}%0D%0A",
    "blank": "{link}%20",
    "no-break space": "{link}%C2%A0",
    "tab": "{link}%09",
    "zero-width space": "{link}%E2%80%8B",
    "soft hyphen": "{link}%C2%AD",
    "byte order mark": "{link}%EF%BB%BF",
    "soft line break": "{link}=%0D%0A",
    "equals sign": "{link}=",
    "query of its own": "{link}&fbclid=IwAR0abc",
    "query, encoded": "{link}%3Futm_source=news&utm_medium=email",
    "the link once more": "{link}{link}",
    "the link once more, in another line": "{link}%0D%0A{link}",
    "the link once more, in brackets": "{link}%3C{link}%3E",
    "another link": "{link},https://files.example.com/u/abc",
}
INSIDE: Final = {
    "line feed inside": "{head}%0A{tail}",
    "line end inside": "{head}%0D%0A{tail}",
    "line end and indent inside": "{head}%0D%0A%20%20%20{tail}",
    "blank inside": "{head}%20{tail}",
    "tab inside": "{head}%09{tail}",
    "zero-width space inside": "{head}%E2%80%8B{tail}",
    "soft hyphen inside": "{head}%C2%AD{tail}",
    "byte order mark inside": "{head}%EF%BB%BF{tail}",
    "soft line break inside": "{head}=%0D%0A{tail}",
    "soft line feed inside": "{head}=%0A{tail}",
    "soft line break without its line end": "{head}={tail}",
    "soft line break, escaped": "{head}=3D%0A{tail}",
    "equals sign, escaped": "{head}=3D{tail}",
    "line end inside, full stop behind": "{head}%0A{tail}.",
}
#: Damage to codes only: ``{capitals}`` is the link in capitals, ``{typed}`` and
#: ``{read}`` have letters instead of digits.
SPELLINGS: Final = {
    "capitals": "{site}{capitals}",
    "capitals, full stop behind": "{site}{capitals}.",
    "O for 0 and l for 1": "{site}{typed}",
    "O for 0 and I for 1": "{site}{read}",
    "o for 0 and i for 1": "{site}{heard}",
    "hyphens between": "{head}-{tail}",
}
#: Damage that can be repaired in every link.
EVERY: Final = {**BEHIND, **INSIDE}


def damaged(template: str, link: str) -> str:
    """Return the damaged *link*."""
    parts = urlsplit(link)
    site = f"{parts.scheme}://{parts.netloc}"
    first = parts.path.split("/")[2]
    middle = link.index(first) + len(first) // 2
    code = parts.path[3:]
    return template.format(
        link=link,
        head=link[:middle],
        tail=link[middle:],
        site=site,
        capitals=parts.path.upper(),
        typed=parts.path[:3] + code.translate(str.maketrans("01", "Ol")),
        read=parts.path[:3] + code.upper().translate(str.maketrans("01", "OI")),
        heard=parts.path[:3] + code.translate(str.maketrans("01", "oi")),
    )
