"""What is asked, one task a file."""

from mulle.tasks.base import Decided, DefaultMetric, Target, Task, task, tasks

__all__ = ["Decided", "DefaultMetric", "Target", "Task", "task", "tasks"]
