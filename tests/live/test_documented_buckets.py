"""What ``docs/buckets.md`` tells people to type does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.live.seaweedfs import BUCKET, KEY_ID, SECRET
from tests.live.shown import blocks
from tests.live.stack import BucketStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server
    from tests.live.seaweedfs import SeaweedFS

#: What the page uses of ``aws``, Amazon's command line program.
_AWS: Final = f"""#!{sys.executable}
import os
import sys
from pathlib import Path

import obstore
from obstore.store import S3Store

store = S3Store(
    "{BUCKET}",
    endpoint=os.environ["GATEWAY_BUCKET_ENDPOINT"],
    region="us-east-1",
    access_key_id="{KEY_ID}",
    secret_access_key="{SECRET}",
    client_options={{"allow_http": True}},
)
command, source, target = sys.argv[2:]
key = {{"mv": source, "cp": target}}[command].removeprefix("s3://{BUCKET}/")
if command == "mv":
    Path(target).write_bytes(bytes(obstore.get(store, key).bytes()))
    obstore.delete(store, key)
else:
    obstore.put(store, key, Path(source))
"""
#: What of the page differs here: its bucket, and the folder of its backup.
_BUCKET: Final = "s3://media/uploads"
_BACKUP: Final = "/backup/gateway"


class Restored(BucketStack):
    """A gateway whose catalog changes, while its uploads stay in their bucket."""

    def __init__(self, server: SeaweedFS, folder: Path) -> None:
        super().__init__(server)
        self.settings["GATEWAY_BLOBS"] = f"s3://{BUCKET}/{self.prefix}-uploads"
        self.folder = folder
        aws = folder / "bin" / "aws"
        aws.parent.mkdir()
        aws.write_text(_AWS)
        aws.chmod(0o755)

    def upload(self, content: str) -> str:
        """Upload a file with that content; return its id."""
        bearer = {"Authorization": f"Bearer {self.new_token('upload')}"}
        url = f"{self.url}/api/v1/files/a.bin"
        answer = self.send(url, "PUT", data=content.encode(), headers=bearer)
        return str(answer.json()["id"])

    def fetch(self, upload_id: str) -> str:
        """Fetch an upload by a link."""
        url = self.gateway("sign", "--upload", upload_id, "--no-expiry").strip()
        self.tokens.add(url.split("/")[4])
        return self.send(url).text

    def move_away(self, name: str) -> None:
        """Move the folders of the catalog away."""
        self.end()
        (self.home / "data").rename(self.home / name)

    def type_in(self, shown: str) -> tuple[int, str]:
        """Type what the page shows; return the status and what is printed."""
        self.prepare()
        path = (self.folder / "bin", Path(sys.executable).parent, os.environ["PATH"])
        blobs, backup = self.settings["GATEWAY_BLOBS"], str(self.folder / "backup")
        done = subprocess.run(
            ["sh", "-c", shown.replace(_BUCKET, blobs).replace(_BACKUP, backup)],
            cwd=self.folder,
            env={**self.environment, "PATH": os.pathsep.join(map(str, path))},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def stack(seaweedfs: SeaweedFS, tmp_path: Path) -> Iterator[Restored]:
    with Restored(seaweedfs, tmp_path).running() as stack:
        yield stack


@pytest.mark.extra
def test_a_backup_is_restored_into_the_bucket_that_has_its_objects(
    stack: Restored, postgresql: Server
) -> None:
    """Here the catalog moves from SQLite to PostgreSQL, then back."""
    mv, restore, partial, cp = blocks(
        "docs/buckets.md", "sh", section="### Restore into the same bucket"
    )
    kept, deleted = stack.upload("kept"), stack.upload("deleted")
    stack.gateway("backup", str(stack.folder / "backup"))
    stack.gateway("files", "delete", deleted)
    later = stack.upload("later")
    with postgresql.new_database() as url:
        stack.move_away("old")
        stack.settings["GATEWAY_DATABASE"] = url
        claimed = stack.type_in(partial)
        assert (claimed[0], "belongs to another catalog" in claimed[1]) == (1, True)
        assert stack.type_in(mv) == (0, "")
        refused = stack.type_in(restore)
        assert (refused[0], "uploads have no content" in refused[1]) == (1, True)
        restored = stack.type_in(partial)
        assert (restored[0], deleted in restored[1]) == (0, True)
        stack.start()
        assert stack.fetch(kept) == "kept"
        _, findings = stack.type_in("gateway fsck --grace 0")
        assert f"/{later}.bin: no upload names this blob" in findings
        stack.move_away("new")
    (stack.home / "old").rename(stack.home / "data")
    del stack.settings["GATEWAY_DATABASE"]
    assert stack.type_in(cp) == (0, "")
    stack.start()
    assert (stack.fetch(kept), stack.fetch(later)) == ("kept", "later")
