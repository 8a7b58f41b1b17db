"""What the labels mean, how a model is called and how it is judged."""

from limbeck.tasks.base import Metrics, Task, observe
from limbeck.tasks.classification import Classification
from limbeck.tasks.frames import Frames
from limbeck.tasks.regression import Regression

__all__ = ["Classification", "Frames", "Metrics", "Regression", "Task", "observe"]
