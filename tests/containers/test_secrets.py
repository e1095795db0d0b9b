"""Settings that come by file, as compose's secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.engine import require_containers
from tests.live.stack import ORIGIN, ContainerStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERRIDE = """
services:
  gateway: {{secrets: [keys, origins]}}
secrets:
  keys: {{file: {home}/keys}}
  origins: {{file: {home}/origins}}
"""


@pytest.fixture
def stack() -> Iterator[ContainerStack]:
    require_containers()
    stack = ContainerStack(
        GATEWAY_CORS_ORIGINS="",
        GATEWAY_CORS_ORIGINS_FILE="/run/secrets/origins",
        GATEWAY_KEYS="",
        GATEWAY_KEYS_FILE="/run/secrets/keys",
    )
    stack.override = OVERRIDE.format(home=stack.home)
    for name, text in {"keys": str(stack.keys), "origins": ORIGIN}.items():
        (stack.home / name).write_text(f"{text}\n")
        # compose mounts it as it is, and the containers' user is nobody's here.
        (stack.home / name).chmod(0o644)
    with stack.running():
        yield stack


def test_keys_and_settings_can_be_secrets_of_compose(stack: ContainerStack) -> None:
    stack.put("a.txt", b"hello\n")
    answer = stack.ask(stack.sign("a.txt"), headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.content) == (200, b"hello\n")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "/keys" not in stack.run_in("gateway", "find", "/var/lib/gateway")


def test_a_reload_of_the_gateway_reaches_nginx(stack: ContainerStack) -> None:
    stack.put("a.txt")
    url = stack.sign("a.txt")
    other = "https://other.example"

    def allowed() -> str | None:
        answer = stack.send(url, headers={"Origin": other})
        return answer.headers.get("Access-Control-Allow-Origin")

    assert allowed() is None
    (stack.home / "origins").write_text(other)
    stack.reload()
    wait_until(lambda: allowed() == other, what="nginx has loaded the new origin")
