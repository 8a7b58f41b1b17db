"""Sentences that several doors say."""

from limbeck.errors import LimbeckError
from limbeck.models.model import Request
from limbeck.models.sizing import first_line


def refuse_features(spec: str, request: Request) -> None:
    """Refuse to build a network that reads images for data that has none."""
    if not request.is_image:
        raise LimbeckError(
            f"{spec} reads images, but a sample here is {request.shape[0]} features: "
            "use a net such as mlp:64-64."
        )


def refuse_pretrained(spec: str, request: Request) -> None:
    """Refuse to pretend that a network without published weights has some."""
    if request.pretrained:
        raise LimbeckError(
            f"{spec} has no pretrained weights: leave pretrained out, or give the weights as a file."
        )


def refuse_other_classes(spec: str, theirs: int, request: Request) -> None:
    """Refuse a pretrained teacher that knows other classes, instead of giving it a random head in silence."""
    if request.role == "teacher" and theirs != request.outputs:
        raise LimbeckError(
            f"The pretrained {spec} has {theirs} classes and the data has {request.outputs}, so it cannot "
            f"teach as it is: fine-tune it first with 'limbeck train --model {spec} --pretrained', then name "
            "that run as the teacher (run:DIR)."
        )


def cannot_fetch(spec: str, error: Exception) -> LimbeckError:
    """Return the sentence for weights that did not arrive."""
    return LimbeckError(
        f"The pretrained weights of {spec} could not be fetched or read "
        f"({first_line(error).rstrip('.')}): check the connection, or give the weights as a file."
    )
