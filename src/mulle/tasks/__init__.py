"""What is asked, one task a file."""

from mulle.tasks.base import DefaultMetric, Target, Task, task, tasks

__all__ = ["DefaultMetric", "Target", "Task", "task", "tasks"]
