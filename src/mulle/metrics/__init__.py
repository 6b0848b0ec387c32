"""How good predictions are: one file a task."""

from mulle.metrics.base import Metric, Weighted, metric, metrics

__all__ = ["Metric", "Weighted", "metric", "metrics"]
