"""The alerts, the dashboard and the command that starts Prometheus with them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from tests.lacking import lacking
from tests.live.ports import free_port
from tests.live.stack import ROOT, wait_until
from tests.live.test_metrics import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.stack import NativeStack

FOLDER: Final = ROOT / "deploy" / "observe"
NAME: Final = re.compile(r"\baccel_gateway_[a-z_]+")
#: Metrics that are only there when there is something to show.
OPTIONAL: Final = {
    "accel_gateway_housekeeping_items_total",
    "accel_gateway_outbox_oldest_created_timestamp_seconds",
    "accel_gateway_quota_bytes",
}


@pytest.fixture(scope="module", autouse=True)
def _promtool() -> None:
    if shutil.which("promtool") is None:
        lacking("Debian's prometheus is not installed", required="REQUIRE_PROMETHEUS")


def promtool(*arguments: str, text: str = "") -> None:
    """Run promtool in the folder; fail with what it says."""
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=FOLDER,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def expressions() -> list[str]:
    """Return the dashboard's queries, with values for its variables."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    found = [
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    assert len(found) > 20
    return [
        expr.replace("$__rate_interval", "5m")
        .replace("$job", "accel-gateway")
        .replace("$instance", ".*")
        for expr in found
    ]


def test_each_alert_fires_when_it_should_and_never_else() -> None:
    promtool("test", "rules", "alerts.test.yml")


def test_each_alert_has_a_test_and_a_place_in_the_documentation() -> None:
    alerts = re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text())
    tested = (FOLDER / "alerts.test.yml").read_text()
    page = (ROOT / "docs" / "observe.md").read_text()
    assert alerts
    for alert in alerts:
        assert len(re.findall(rf"alertname: {alert}\b", tested)) >= 2, alert
        assert f"| `{alert}` |" in page, alert


def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": expr}
        for number, expr in enumerate(expressions())
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_what_is_watched_is_there(native_stack: NativeStack) -> None:
    """A name that was changed would be an alert that never fires."""
    found = metrics(native_stack)
    promtool("check", "metrics", text=found.text)
    alerts = (FOLDER / "alerts.yml").read_text()
    # A selector by several names.
    names = {
        *NAME.findall("\n".join([alerts, *expressions()])),
        "accel_gateway_verdicts_total",
        "accel_gateway_requests_total",
    } - {"accel_gateway_"}
    assert names - found.names <= OPTIONAL


def test_every_metric_is_documented(native_stack: NativeStack) -> None:
    page = (ROOT / "docs" / "observe.md").read_text()
    families = set(re.findall(r"(?m)^# TYPE (\S+)", metrics(native_stack).text))
    documented = set(re.findall(r"`(accel_gateway_\w+)", page))
    assert documented - OPTIONAL <= families <= documented


class Prometheus:
    """Debian's Prometheus, as run.sh starts it."""

    def __init__(self, url: str, home: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [FOLDER / "run.sh", url],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "OBSERVE_LISTEN": f"127.0.0.1:{port}",
                "OBSERVE_INTERVAL": "1s",
                "TMPDIR": str(home),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def get(self, path: str) -> Any:
        try:
            return requests.get(f"{self.url}/api/v1/{path}", timeout=10).json()["data"]
        except (requests.ConnectionError, requests.JSONDecodeError):
            # It does not listen yet, or is not ready.
            assert self.process.poll() is None, self.process.communicate()[0]
            return None

    def targets(self) -> list[tuple[str, str]]:
        found = self.get("targets") or {"activeTargets": []}
        return [(each["health"], each["lastError"]) for each in found["activeTargets"]]


@pytest.fixture
def prometheus(native_stack: NativeStack, tmp_path: Path) -> Iterator[Prometheus]:
    running = Prometheus(native_stack.url, tmp_path)
    yield running
    running.process.send_signal(signal.SIGTERM)
    said, _ = running.process.communicate(timeout=20)
    assert "level=error" not in said
    assert list(tmp_path.iterdir()) == []


def test_one_command_watches_a_gateway(prometheus: Prometheus) -> None:
    wait_until(
        lambda: prometheus.targets() == [("up", "")], seconds=30, what="it is watched"
    )
    query = 'query?query=accel_gateway_workers{pool="app"}'
    # A target is up before its samples can be queried.
    wait_until(lambda: prometheus.get(query)["result"], what="it has samples")
    [workers] = prometheus.get(query)["result"]
    assert workers["value"][1] == "2"
    groups = prometheus.get("rules")["groups"]
    states = {rule["state"] for group in groups for rule in group["rules"]}
    assert states <= {"inactive", "pending"}
