"""What the documentation tells people to type does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import ROOT, NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = "https://files.example.com"


@pytest.fixture
def own_stack() -> Iterator[NativeStack]:
    stack = NativeStack()
    stack.start()
    try:
        yield stack
        stack.assert_clean()
    finally:
        stack.stop()


def test_the_page_of_uploads_can_be_typed_from_top_to_bottom(
    own_stack: NativeStack, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "uploads.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    script = "\n".join(blocks).replace(PLACE, own_stack.url)
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **os.environ,
            **own_stack.environment,
            "HOME": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(blocks) >= 5
    assert done.returncode == 0, done.stderr
