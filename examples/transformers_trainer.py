"""Distil with transformers' Trainer: the scheme is the model it trains, ``compute_loss`` sums the loss parts."""

import torch
from sklearn.datasets import load_digits
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

from limbeck import Batch, Frozen, Offline, Scheme, Supervised, Term, losses

set_seed(0)
images, labels = (torch.from_numpy(each) for each in load_digits(return_X_y=True))
images = images.float().div(8).sub(1).view(-1, 1, 8, 8)
samples = [{"pixel_values": x, "labels": y} for x, y in zip(images, labels, strict=True)]


def vit(width: int) -> ViTForImageClassification:
    digits = {"image_size": 8, "patch_size": 4, "num_channels": 1, "num_labels": 10}
    size = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2}
    return ViTForImageClassification(ViTConfig(**digits, **size, num_attention_heads=4))


class SchemeTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return sum(model(Batch(inputs["pixel_values"], inputs["labels"])).values())


def train(scheme: Scheme) -> None:
    plan = {"num_train_epochs": 15, "per_device_train_batch_size": 32, "learning_rate": 3e-3, "use_cpu": True}
    quiet = {"save_strategy": "no", "report_to": "none", "disable_tqdm": True}
    arguments = TrainingArguments("runs/transformers", remove_unused_columns=False, **plan, **quiet)
    SchemeTrainer(scheme, arguments, train_dataset=samples[:900]).train()
    right = scheme.deployable().eval()(images[900:]).logits.argmax(1) == labels[900:]
    print(f"{type(scheme).__name__}: {right.float().mean():.1%} of unseen digits")


train(Supervised(teacher := vit(64)))
train(Offline(vit(16), Frozen(teacher), [Term(losses.KD(temperature=2), weight=0.9)], task_weight=0.1))
