"""Distil in a LightningModule: ``training_step`` logs the scheme's loss parts and returns their sum."""

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from limbeck import Batch, Frozen, Offline, Scheme, Supervised, Term, losses


class Training(lightning.LightningModule):
    def __init__(self, scheme: Scheme):
        super().__init__()
        self.scheme = scheme  # its teacher is no submodule: neither in the optimizer nor in checkpoints

    def training_step(self, batch, number):
        parts = self.scheme(Batch(*batch))
        self.log_dict(parts)
        return sum(parts.values())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.scheme.parameter_groups(), lr=3e-3)


def train(scheme: Scheme) -> None:
    off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning.Trainer(max_epochs=10, accelerator="cpu", **off).fit(Training(scheme), loader)
    right = scheme.deployable().eval()(images[900:]).argmax(1) == labels[900:]
    print(f"{type(scheme).__name__}: {right.float().mean():.1%} of unseen digits")


lightning.seed_everything(0)
images, labels = (torch.from_numpy(each) for each in load_digits(return_X_y=True))
images = images.float().div(8).sub(1)
loader = DataLoader(TensorDataset(images[:900], labels[:900]), batch_size=32, shuffle=True)
teacher, student = (nn.Sequential(nn.Linear(64, n), nn.ReLU(), nn.Linear(n, 10)) for n in (512, 32))
train(Supervised(teacher))
train(Offline(student, Frozen(teacher), [Term(losses.KD(temperature=4), weight=0.9)], task_weight=0.1))
