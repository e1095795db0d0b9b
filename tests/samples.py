"""The samples in a text of metrics, for tests to look up."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


class Samples:
    """The values in *text*, which must be valid."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        }

    def get(self, name: str, /, **labels: str) -> float:
        """Return the sum of the samples that have *labels*; 0 if there are none."""
        return sum(
            value
            for (own, own_labels), value in self._values.items()
            if own == f"accel_gateway_{name}"
            and labels.items() <= dict(own_labels).items()
        )

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self._values}

    @property
    def counters(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All samples that may only grow, with their names and labels."""
        ends = ("_total", "_count", "_sum", "_bucket")
        return {key: v for key, v in self._values.items() if key[0].endswith(ends)}
