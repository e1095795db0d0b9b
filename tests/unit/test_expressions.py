"""No text makes a regular expression take longer than its length explains.

nginx matches what a client has sent before anybody has said who that is, 16 KB of it,
and so do the workers: an expression that takes four times as long for twice the text
lets one client keep them busy.
"""

from __future__ import annotations

import pytest

from tests.unit import expressions, pcre
from tests.unit.expressions import of_nginx, of_python
from tests.unit.pcre import Expression, is_enough
from tests.unit.pumps import Pump, pumps

#: What a client can send, and a fourth and a sixteenth of it.
SIZES = (1024, 4096, 16_384)
#: Steps of a character: as few as possible, and what no expression needs.
FEWEST, MOST = 8, 512


def overlong(expression: Expression) -> list[Pump]:
    """Return the texts whose steps grow faster than they do."""
    found = pumps(expression.pattern, expression.flags)
    texts = [(pump, size) for pump in found for size in SIZES]
    enough = is_enough(expression, texts, FEWEST)
    some = {pump for (pump, _), is_few in zip(texts, enough, strict=True) if not is_few}
    return [pump for pump in sorted(some, key=str) if grows(expression, pump)]


def grows(expression: Expression, pump: Pump) -> bool:
    """Tell whether a longer text takes twice as many steps a character."""
    limit = FEWEST
    while limit < MOST and not all(is_enough(expression, [(pump, SIZES[0])], limit)):
        limit *= 2
    longer = [(pump, size) for size in SIZES[1:]]
    return not all(is_enough(expression, longer, 2 * limit))


def named(expression: Expression) -> str:
    return f"{expression.where} {expression.pattern}"


@pytest.mark.parametrize("expression", of_nginx(), ids=named)
def test_an_expression_of_nginx_takes_steps_as_the_text_is_long(
    expression: Expression,
) -> None:
    assert overlong(expression) == []


@pytest.mark.parametrize("expression", of_python(), ids=named)
def test_an_expression_of_python_takes_steps_as_the_text_is_long(
    expression: Expression,
) -> None:
    assert overlong(expression) == []


@pytest.mark.parametrize("expression", of_nginx(), ids=named)
def test_no_text_is_too_long_for_the_stack_of_a_compiled_expression(
    expression: Expression,
) -> None:
    """Nginx has an [alert] for it, a line for each request."""
    texts = [(pump, SIZES[-1]) for pump in pumps(expression.pattern, expression.flags)]
    assert pcre.faults(expression, texts) == []


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(Expression("", r"[a-z]+/[0-9]+"), id="searched at each place"),
        pytest.param(Expression("", r"^a*b?a*$", is_anchored=True), id="two repeats"),
        pytest.param(Expression("", r"(a|aa)+", is_whole=True), id="two ways"),
        pytest.param(
            Expression("", r"^[ -~]*(?:json)[ -~]*$", is_anchored=True), id="a word"
        ),
        pytest.param(
            Expression("", r"^/+s/+[^/]*[^?]*x", is_anchored=True),
            id="a path",
            marks=pytest.mark.extra,
        ),
    ],
)
def test_an_expression_that_tries_too_much_is_found(expression: Expression) -> None:
    assert overlong(expression) != []


def test_a_group_that_is_repeated_is_too_much_for_the_stack() -> None:
    expression = Expression("", r"^(?:a|b)+$", is_anchored=True)
    texts = [(pump, SIZES[-1]) for pump in pumps(expression.pattern)]
    assert pcre.faults(expression, texts) != []


def test_every_expression_is_looked_at() -> None:
    """One that is made of several texts stands in the list of those."""
    assert expressions.made_elsewhere() == {"runtime/logs.py", "storage/formats.py"}
    assert {e.where for e in of_nginx()} >= {
        "conf.d/authorize.conf",
        "conf.d/cors.conf",
        "conf.d/ledger.conf",
        "conf.d/limits.conf",
        "conf.d/logging.conf",
        "conf.d/pages.conf",
        "conf.d/uploads.conf",
        "conf.d/verdicts.conf",
        "snippets/families.conf",
    }
