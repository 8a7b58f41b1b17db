"""What the labels mean, how a model is called and how it is judged."""

from limbeck.tasks.base import Metrics, Task, observe
from limbeck.tasks.classification import Classification
from limbeck.tasks.regression import Regression

__all__ = ["Classification", "Metrics", "Regression", "Task", "observe"]
