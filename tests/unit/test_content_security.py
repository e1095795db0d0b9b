"""What each Content-Security-Policy lets a browser do."""

from __future__ import annotations

import pytest

from gateway.http import content_security


def directives(policy: str) -> dict[str, set[str]]:
    """Return the sources of each directive, as a browser reads them."""
    words = [part.split() for part in policy.split(";")]
    assert len({name for name, *_ in words}) == len(words)
    return {name: set(sources) for name, *sources in words}


@pytest.mark.parametrize("name", ["PAGE", "REFUSAL", "DELIVERY", "PLAYED_DELIVERY"])
def test_what_is_not_named_is_not_loaded(name: str) -> None:
    """From elsewhere nothing is loaded at all."""
    sources = directives(getattr(content_security, name))
    assert sources.pop("default-src") == {"'none'"}
    others = {word for words in sources.values() for word in words}
    assert others <= {"'self'", "'none'", "'unsafe-inline'", "allow-same-origin"}


@pytest.mark.parametrize(
    ("policy", "scripts"),
    [
        pytest.param(content_security.PAGE, {"'self'"}, id="page"),
        pytest.param(content_security.REFUSAL, None, id="refusal"),
        pytest.param(content_security.DELIVERY, None, id="delivery"),
        pytest.param(content_security.PLAYED_DELIVERY, None, id="film"),
    ],
)
def test_only_files_of_ours_run_script(policy: str, scripts: set[str] | None) -> None:
    """A text that a page shows unescaped by mistake is no script."""
    assert directives(policy).get("script-src") == scripts


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        pytest.param(content_security.DELIVERY, set(), id="delivery"),
        pytest.param(
            content_security.PLAYED_DELIVERY, {"allow-same-origin"}, id="film"
        ),
    ],
)
def test_a_delivery_runs_in_a_sandbox(policy: str, allowed: set[str]) -> None:
    """An uploaded page acts for nobody who opens it: it runs and sends nothing."""
    assert directives(policy)["sandbox"] == allowed


@pytest.mark.parametrize(
    ("media_type", "policy"),
    [
        pytest.param("video/mp4", content_security.PLAYED_DELIVERY, id="video"),
        pytest.param("audio/ogg", content_security.PLAYED_DELIVERY, id="audio"),
        pytest.param("text/html; charset=utf-8", content_security.DELIVERY, id="page"),
        pytest.param("x/audio/", content_security.DELIVERY, id="not-at-the-start"),
    ],
)
def test_only_what_is_played_may_load_itself(media_type: str, policy: str) -> None:
    """As in nginx's map."""
    assert content_security.of_delivery(media_type) == policy


@pytest.mark.parametrize("name", ["PAGE", "REFUSAL"])
def test_no_other_site_frames_a_page(name: str) -> None:
    """Nor may a page be made to send its forms there."""
    sources = directives(getattr(content_security, name))
    assert sources["frame-ancestors"] == {"'none'"}
    assert sources["form-action"] <= {"'none'", "'self'"}
