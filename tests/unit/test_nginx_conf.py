"""What is a list in Python is rendered into nginx's files, and stays readable there."""

from __future__ import annotations

import re
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from gateway.http import content_security, cors, explanations, families
from gateway.http.file_headers import HEADERS
from gateway.runtime.rendering import in_sed, in_ssi, quoted
from tests.unit.rendered import rendered

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGINS = ("https://a.example", "https://b-c.example:8443")


def test_each_origin_is_a_pattern_of_its_own() -> None:
    """A dot in a name is that dot, and what is answered is the text on the list."""
    text = rendered(GATEWAY_CORS_ORIGINS=" ".join(ORIGINS))["conf.d/cors.conf"]
    patterns = dict(re.findall(r'^    "~(\^http\S+\$)"  (\S+);$', text, re.MULTILINE))
    assert list(patterns.values()) == list(ORIGINS)
    for pattern, origin in patterns.items():
        assert re.search(pattern, origin)
        assert not re.search(pattern, origin.replace(".example", "xexample"))
        assert not re.search(pattern, f"{origin}.evil.example")


def test_one_list_has_what_a_script_may_send_and_read() -> None:
    """It fits deliveries, the API, and all that tus-js-client can be told to send."""
    text = rendered(GATEWAY_CORS_ORIGINS=ORIGINS[0])["conf.d/cors.conf"]
    for texts in (cors.METHODS, cors.REQUEST_HEADERS, cors.RESPONSE_HEADERS):
        assert f'"{", ".join(texts)}"' in text
        assert list(texts) == sorted(set(texts))
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(cors.METHODS)
    assert {"Authorization", "Content-Type", "Range"} <= set(cors.REQUEST_HEADERS)


def test_without_origins_no_header_lets_a_script_read() -> None:
    """There is nothing to leave out by mistake."""
    files = rendered()
    assert "Access-Control" not in "".join(files.values())
    assert "same-site" in files["snippets/headers.conf"]


def test_a_file_of_a_sites_view_has_the_headers_of_a_delivery() -> None:
    """All but those that belong to the gateway's origin."""
    files = rendered()
    for name, value in HEADERS.items():
        assert f"add_header {name} {value} always;" in files["snippets/headers.conf"]
        own = files["snippets/internal_delivery.conf"]
        # nginx would add it twice to a 416.
        assert f"add_header {name} {value};" in own


def test_every_status_of_a_refusal_is_answered_with_it() -> None:
    """`return` takes no variable: a status that is missing would become 503."""
    text = rendered()["snippets/refusal.conf"]
    answered = re.findall(
        r"^if \(\$gateway_refusal_status = (\d+)\) { return \1 ", text, re.MULTILINE
    )
    told = {int(e.status) for e in explanations.BY_ERROR.values()}
    assert told | {308, 400, 404, 405, 500, 503} <= set(map(int, answered))


def test_every_header_of_a_refusal_travels_with_it() -> None:
    """Nginx answers a refused upload by itself, with the headers that Flask said."""
    told = {name for e in explanations.BY_ERROR.values() for name in e.headers}
    assert told < set(explanations.CARRIED)
    shown = rendered()["snippets/refusal.conf"]
    for name in {*explanations.CARRIED} - {"Content-Type"}:
        variable = name.lower().replace("-", "_")
        assert f"add_header {name} $gateway_refusal_{variable} always;" in shown


def test_no_header_of_a_refusal_has_what_joins_them() -> None:
    """Nginx would take the rest of its text for the next header."""
    told = [t for e in explanations.BY_ERROR.values() for t in e.headers.values()]
    assert "|" not in "".join([*told, content_security.REFUSAL, content_security.PAGE])


@pytest.mark.parametrize("ttl", ["0", "1"], ids=["asked", "kept"])
def test_each_location_asks_the_pool_of_its_family(ttl: str) -> None:
    """The other pool has no route for it, and may be kept busy by it."""
    text = "".join(rendered(GATEWAY_VERDICT_TTL=ttl).values())
    asked = re.findall(
        r"set \$gateway_family (\S+);\s+proxy_pass http://gateway_(\S+);", text
    )
    pools = {name: str(family.pool) for name, family in families.BY_NAME.items()}
    # A pool tells at a socket of its own whether it lives.
    pools[families.HEALTH.name] = families.HEALTH.name
    assert set(asked) == {*pools.items()}


@pytest.mark.parametrize(
    ("page", "written"),
    [
        pytest.param("error.html", escape, id="HTML"),
        pytest.param("error.json", str, id="JSON"),
    ],
)
def test_nginx_s_own_pages_say_what_flask_says(
    page: str, written: Callable[[str], str]
) -> None:
    """Each status has the words of the one table."""
    text = rendered()[f"pages/{page}"]
    for explanation in explanations.BY_NGINX:
        place = text.index(f'$status = {int(explanation.status)}"')
        assert written(explanation.title) in text[place:].partition("<!--# el")[0]
        assert written(explanation.text) in text[place:].partition("<!--# el")[0]
    assert explanations.BAD_REQUEST.title in text.partition("<!--# else")[2]


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        pytest.param("snippets/pages.conf", content_security.REFUSAL, id="pages"),
        pytest.param(
            "conf.d/delivery.conf", content_security.DELIVERY, id="deliveries"
        ),
        pytest.param(
            "conf.d/delivery.conf", content_security.PLAYED_DELIVERY, id="films"
        ),
    ],
)
def test_a_policy_is_one_word_to_nginx(name: str, policy: str) -> None:
    """It holds blanks and semicolons, which would end the directive."""
    assert f'"{policy}"' in rendered()[name]


@pytest.mark.parametrize(("workers", "written"), [("0", "auto"), ("3", "3")])
def test_nginx_has_as_many_workers_as_set(workers: str, written: str) -> None:
    files = rendered(GATEWAY_NGINX_WORKERS=workers)
    assert f"worker_processes {written};" in files["nginx.conf"].splitlines()


@pytest.mark.parametrize(
    ("space", "free"), [("1G", 2 * 2**30), ("0", 64 * 2**20)], ids=["some", "none"]
)
def test_the_cache_of_buckets_leaves_more_space_than_uploads(
    space: str, free: int
) -> None:
    """Otherwise a full cache would keep uploads out."""
    chosen = {"GATEWAY_FREE_SPACE": space, "GATEWAY_FILES": "s3://media/"}
    assert f"min_free={free} " in rendered(**chosen)["conf.d/bucket.conf"]


def test_each_trusted_network_is_a_directive() -> None:
    """Nothing else of the list reaches nginx."""
    text = "".join(rendered(GATEWAY_TRUSTED_PROXIES="10.0.0.0/8, ::1/128").values())
    lines = re.findall(r"^\s*set_real_ip_from .*$", text, re.MULTILINE)
    networks = [line.strip() for line in lines]
    assert networks == ["set_real_ip_from 10.0.0.0/8;", "set_real_ip_from ::1/128;"]


def counted_as(address: str) -> bytes:
    """Return what nginx counts a client under, by the map of limits.conf."""
    block = rendered()["conf.d/limits.conf"].partition("$gateway_client {")[2]
    patterns = re.findall(r'^    "~(\S+)"  \$(\w+);$', block, re.MULTILINE)
    packed = ip_address(address).packed
    matches = (
        (re.search(pattern.replace("(?<", "(?P<").encode("latin-1"), packed), name)
        for pattern, name in patterns
    )
    return next((match[name] for match, name in matches if match), packed)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.10.10.10", "0.100.255.155"])
@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"], ids=["mapped", "NAT64"])
def test_an_embedded_ipv4_address_is_counted_as_itself(
    prefix: str, address: str
) -> None:
    """Of all such clients the first eight bytes are the same."""
    assert counted_as(prefix + address) == counted_as(address)
    assert counted_as(address) == ip_address(address).packed


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("2001:db8::c000:201", id="any"),
        pytest.param("::fffe:c000:201", id="beside mapped"),
        pytest.param("0:0:0:0:1:ffff:c000:201", id="mapped in another network"),
        pytest.param("64:ff9b::1:c000:201", id="beside NAT64"),
        pytest.param("64:ff9b:1::c000:201", id="NAT64 of a site's own"),
        pytest.param("::1", id="loopback"),
    ],
)
def test_every_other_ipv6_address_is_counted_as_its_network(address: str) -> None:
    """A subscriber has all addresses of a /64."""
    assert counted_as(address) == ip_address(address).packed[:8]


def test_every_status_that_nginx_says_by_itself_has_a_retry_or_none() -> None:
    """Only what passes by itself is worth another try."""
    text = rendered()["conf.d/pages.conf"]
    block = text.partition("$gateway_retry_after {")[2].partition("}")[0]
    told = dict(re.findall(r"^ +(\d+) +(\d+);$", block, re.MULTILINE))
    assert told == {
        str(HTTPStatus.TOO_MANY_REQUESTS.value): "5",
        str(HTTPStatus.SERVICE_UNAVAILABLE.value): "5",
    }


def test_every_rendering_is_commented() -> None:
    """Who reads the set on a machine finds what each file is for."""
    files = rendered(GATEWAY_CORS_ORIGINS=ORIGINS[0])
    confs = {name: text for name, text in files.items() if name.endswith(".conf")}
    assert [name for name, text in confs.items() if not text.startswith("# ")] == []
    assert [name for name, text in confs.items() if "\n\n\n" in text] == []


TEXTS = st.text(st.characters(max_codepoint=0x17F), max_size=20)


def read_by_nginx(word: str) -> str:
    """Return what nginx makes of a word, quoted or not.

    https://github.com/nginx/nginx/blob/master/src/core/ngx_conf_file.c
    """
    if not word.startswith('"'):
        assert not re.search(r"[\s;{}\"'\\$]", word)
        return word
    assert re.fullmatch(r'"(?:[^"\\$]|\\["\\])*"', word, re.DOTALL)
    return re.sub(r"\\([\"\\])", r"\1", word[1:-1])


@given(TEXTS.filter(lambda text: not re.search(r"[$\x00-\x1f\x7f]", text)))
@example("a;b")
@example("a{b}")
@example("a b")
@example("a'b")
@example('a"b')
@example("a\\b")
def test_any_other_text_is_one_word_with_that_meaning(text: str) -> None:
    """Blanks, quotes, backslashes, braces and semicolons stay what they are."""
    assert read_by_nginx(quoted(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a$b", id="variable"),
        pytest.param("a\nb", id="line end"),
        pytest.param("a\0b", id="NUL"),
    ],
)
def test_what_nginx_can_not_be_told_is_no_word(text: str) -> None:
    """A rendering that means something else than its setting is never written."""
    with pytest.raises(ValueError, match="can't be written"):
        quoted(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('a"b', id="quote"),
        pytest.param("a$b", id="variable"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("a" * 257, id="long"),
    ],
)
def test_a_text_that_ssi_would_change_is_not_written(text: str) -> None:
    """Nginx would cut or expand it and show the rest."""
    with pytest.raises(ValueError, match="SSI"):
        in_ssi(text)


def test_a_rule_that_would_end_sed_s_command_is_not_written() -> None:
    """The delimiter stands in no rule."""
    with pytest.raises(ValueError, match="sed"):
        in_sed("a~b")


#: Directives that only give a name to something.
NAMING = {
    "limit_conn_zone",
    "limit_req_zone",
    "log_format",
    "map",
    "proxy_cache_path",
    "upstream",
}


def test_including_the_set_changes_no_other_server() -> None:
    """At the level of `http` a site's own servers would inherit everything else."""
    files = rendered(GATEWAY_CORS_ORIGINS=ORIGINS[0], GATEWAY_TRUSTED_PROXIES="::1")
    text = "".join(text for name, text in files.items() if name.startswith("conf.d/"))
    assert set(re.findall(r"^(\w+) ", text, re.MULTILINE)) == NAMING


def test_every_name_of_the_set_is_its_own() -> None:
    """A site may have maps, zones and formats of other names."""
    files = rendered(GATEWAY_CORS_ORIGINS=ORIGINS[0])
    text = "".join(text for name, text in files.items() if name.startswith("conf.d/"))
    names = re.findall(
        r"^map .* \$(\w+) {$|zone=(\w+):|^(?:log_format|upstream) (\w+)",
        text,
        re.MULTILINE,
    )
    told = {name for found in names for name in found if name}
    assert len(told) > 10
    assert [name for name in told if not name.startswith("gateway")] == []
