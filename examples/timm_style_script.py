"""Distil in a script in timm's style: models, optimizer, schedule and meters are timm's, the loss is limbeck's."""

import timm
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import AverageMeter, accuracy

from limbeck import Batch, Frozen, Offline, Scheme, Supervised, Term, losses

EPOCHS = 6
torch.manual_seed(0)
images, labels = (torch.from_numpy(each) for each in load_digits(return_X_y=True))
images = F.interpolate(images.float().div(8).sub(1).view(-1, 1, 8, 8), size=32)


def train(scheme: Scheme) -> None:
    optimizer = create_optimizer_v2(scheme.parameter_groups(), opt="adamw", lr=3e-3)
    scheduler = CosineLRScheduler(optimizer, t_initial=EPOCHS)
    for epoch in range(EPOCHS):
        meter = AverageMeter()
        for index in torch.randperm(900).split(64):
            loss = sum(scheme.train()(Batch(images[index], labels[index])).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter.update(loss.item(), len(index))
        scheduler.step(epoch + 1)
    top1, top5 = accuracy(scheme.deployable().eval()(images[900:]), labels[900:], topk=(1, 5))
    print(f"{type(scheme).__name__}: loss {meter.avg:.3f}, Acc@1 {top1:.1f}, Acc@5 {top5:.1f}")


teacher = timm.create_model("test_resnet", in_chans=1, num_classes=10)
train(Supervised(teacher))
student = timm.create_model("test_efficientnet", in_chans=1, num_classes=10)
train(Offline(student, Frozen(teacher), [Term(losses.KD(temperature=4), weight=0.9)], task_weight=0.1))
