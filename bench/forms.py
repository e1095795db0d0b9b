"""The speed of parsing a multipart form, for different contents of its file.

    .venv/bin/python -m bench.forms [MIB]

Prints the best of three rounds, in processor time, with the form in memory.  With a
boundary of one letter the search restarts most often.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from gateway.storage.blobs import BlobStore
from gateway.uploads.multipart import FormReader

ROUNDS = 3
BOUNDARIES = {"a browser's": "-" * 29 + "1" * 30, "one letter": "x"}


def main() -> None:
    """Measure all kinds and print a table."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    for called, boundary in BOUNDARIES.items():
        for kind, unit in units(boundary).items():
            content = (unit * ((size << 20) // len(unit) + 1))[: size << 20]
            rate = size / min(seconds(form(content, boundary), boundary))
            print(f"{called:12} {kind:24} {rate:6.0f} MiB/s")


def units(boundary: str) -> dict[str, bytes]:
    """Return the contents to test, which are repeated to fill the file."""
    return {
        "random": os.urandom(1 << 20),
        "carriage returns": b"\r",
        "lines": b"\r\n",
        "boundaries but a letter": f"\r\n--{boundary[:-1]}".encode(),
        "after a line feed": f"\n--{boundary}x".encode(),
        "in a line": f"--{boundary}+".encode(),
    }


def form(content: bytes, boundary: str) -> bytes:
    """Return a form with a token and one file."""
    start = f"--{boundary}\r\nContent-Disposition: form-data; name="
    return (
        f'{start}"token"\r\n\r\nx\r\n{start}"file"; filename="a"\r\n\r\n'.encode()
        + content
        + f"\r\n--{boundary}--\r\n".encode()
    )


def is_good(token: str) -> None:
    """Accept any token."""


def seconds(body: bytes, boundary: str) -> list[float]:
    """Return the seconds of each round."""
    results = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        store = BlobStore(Path(folder))
        store.prepare()
        path = store.spool / "1"
        path.write_bytes(body)
        media_type = f"multipart/form-data; boundary={boundary}"
        for _ in range(ROUNDS):
            start = time.process_time()
            with FormReader(store, "token").files(path, media_type, is_good):
                results.append(time.process_time() - start)
    return results


if __name__ == "__main__":
    main()
