"""Distil in a loop of your own: the scheme gives the loss, everything else stays as you wrote it.

The students have labels for 90 of 900 digits; one of them hears what the teacher thinks of all 900.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from limbeck import Batch, Frozen, Offline, Scheme, Supervised, Term, losses

torch.manual_seed(0)
images, labels = (torch.from_numpy(each) for each in load_digits(return_X_y=True))
images = images.float().div(8).sub(1)


def train(scheme: Scheme, labelled: int, epochs: int) -> float:
    given = torch.arange(900) < labelled
    loader = DataLoader(TensorDataset(images[:900], labels[:900], given), batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(scheme.parameter_groups(), lr=3e-3)
    for _ in range(epochs):
        for x, y, known in loader:
            loss = sum(scheme(Batch(x, y, labelled=known)).values())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    model = scheme.deployable().eval()
    return (model(images[900:]).argmax(1) == labels[900:]).float().mean().item()


teacher = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10))
student, alone = (nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)) for _ in range(2))
print(f"teacher {train(Supervised(teacher), labelled=900, epochs=10):.1%}")
print(f"student alone {train(Supervised(alone), labelled=90, epochs=10):.1%}")
taught = Offline(student, Frozen(teacher), [Term(losses.KD(temperature=4), weight=0.9)], task_weight=0.1)
print(f"student distilled {train(taught, labelled=90, epochs=10):.1%}")
