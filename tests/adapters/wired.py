"""What a pair promises, checked on a training step of the student."""

import torch

from limbeck.taps import tapped


def every_pair(matches):
    return [matches.logits, matches.embedding, *matches.every_map]


def shapes_agree(student, teacher, examples, matches):
    """Tap all pairs while the student trains and the teacher looks on; check the shapes and the gradient."""
    pairs = [pair for pair in every_pair(matches) if pair.student != "logits"]
    student.train()
    teacher.eval()
    with tapped(student, {pair.student: pair.student for pair in pairs}) as ours:
        student(examples[0])
    with tapped(teacher, {pair.teacher: pair.teacher for pair in pairs}) as theirs, torch.no_grad():
        teacher(examples[1])
    total = torch.zeros(())
    for pair in pairs:
        known = ours[pair.student]
        target = theirs[pair.teacher]
        known = pair.student_form(known) if pair.student_form else known
        target = pair.teacher_form(target) if pair.teacher_form else target
        assert tuple(known.shape[1:]) == pair.student_shape, pair
        assert tuple(target.shape[1:]) == pair.teacher_shape, pair
        adapter = pair.adapter()
        known = adapter(known) if adapter else known
        assert known.shape == target.shape, pair
        assert len(known.shape) in (2, 4)
        total = total + (known - target).square().mean()
    total.backward()
    assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in student.parameters())
