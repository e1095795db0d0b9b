"""The manifests for Kubernetes, as kustomize builds them."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Manifest = dict[str, Any]

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"


@cache
def built(folder: Path) -> list[Manifest]:
    """Return the objects that kustomize makes of *folder*."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def objects(overlay: str, kind: str) -> dict[str, Manifest]:
    """Return the objects of a kind by their names, without the hash of a ConfigMap."""
    found = (o for o in built(FOLDER / overlay) if o["kind"] == kind)
    return {re.sub("-[0-9a-z]{10}$", "", o["metadata"]["name"]): o for o in found}


def pods(overlay: str) -> Iterator[Manifest]:
    """Yield the template of each pod."""
    for kind in ("StatefulSet", "Deployment"):
        for workload in objects(overlay, kind).values():
            yield workload["spec"]["template"]


def containers(pod: Manifest) -> dict[str, Manifest]:
    every = [*pod.get("initContainers", []), *pod["containers"]]
    return {container["name"]: container for container in every}
