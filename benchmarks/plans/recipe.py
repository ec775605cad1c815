"""neuraloperator's published recipe for Darcy flow, trained for a given CPU time.

Network, optimizer, rates, loss, normalisers and loop are its own, with the numbers of its `config/darcy_config.py`: 16²
modes, width 32, group norm, coordinates as inputs; AdamW at 0.005 with decay 1e-4, the rate halved at each fifth of the
epochs; batches of 16; the relative H1 loss of normalised fields. Published are 300 epochs, here as many as time buys.
"""

import time
import warnings
from typing import Any

import numpy as np
import torch
from neuralop.data.transforms.data_processors import DefaultDataProcessor  # type: ignore[import-untyped]
from neuralop.data.transforms.normalizers import UnitGaussianNormalizer  # type: ignore[import-untyped]
from neuralop.losses import H1Loss  # type: ignore[import-untyped]
from neuralop.models import FNO  # type: ignore[import-untyped]
from neuralop.training import AdamW, Trainer  # type: ignore[import-untyped]
from torch import Tensor
from torch.utils.data import DataLoader

MODES, WIDTH, BATCH = 16, 32, 16
TRIED = 2
"""Epochs that show what one takes; the first of all warms up."""


def trained(x: np.ndarray, y: np.ndarray, *, seconds: float, seed: int) -> tuple[Any, float]:
    """Return the network and its processor as one model, trained on samples of a square grid, and its CPU seconds.

    Args:
        x: inputs, (n, c, points, points).
        y: solutions, (n, d, points, points).
        seconds: of CPU time, to train for.
        seed: of the weights and of the order of the samples.
    """
    inputs, solutions = (torch.from_numpy(field).float() for field in (x, y))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained_for(1, inputs, solutions)
        an_epoch = trained_for(TRIED, inputs, solutions)[1] / TRIED
        return trained_for(max(1, round(seconds / an_epoch)), inputs, solutions)


def trained_for(epochs: int, inputs: Tensor, solutions: Tensor) -> tuple[Any, float]:
    """Return the model after some epochs, and their CPU seconds; PyTorch's own random numbers are drawn."""
    modes = min(MODES, inputs.shape[-1] // 2)
    network = FNO(
        n_modes=(modes, modes),
        in_channels=inputs.shape[1],
        out_channels=solutions.shape[1],
        hidden_channels=WIDTH,
        norm="group_norm",
    )
    normalisers = [_normaliser(fields) for fields in (inputs, solutions)]
    processor = DefaultDataProcessor(*normalisers).wrap(network)
    rows = [{"x": x, "y": y} for x, y in zip(inputs, solutions, strict=True)]
    loader: Any = DataLoader(rows, batch_size=BATCH, shuffle=True)  # type: ignore[arg-type]
    optimizer = AdamW(network.parameters(), lr=5e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(1, epochs // 5), gamma=0.5)
    trainer = Trainer(model=network, n_epochs=epochs, data_processor=processor, eval_interval=epochs)
    started = time.process_time()
    with warnings.catch_warnings():  # its trainer gives network and loss more than they take
        warnings.filterwarnings("ignore", ".* received unexpected keyword arguments", UserWarning)
        trainer.train(loader, {}, optimizer, schedule, training_loss=H1Loss(d=2))
    return processor, time.process_time() - started


def predicted(model: Any, x: np.ndarray) -> np.ndarray:
    """Return what a trained model makes of inputs."""
    model.eval()
    with torch.no_grad():
        parts = torch.from_numpy(x).float().split(BATCH)
        found = [model.out_normalizer.inverse_transform(model.model(model.in_normalizer.transform(p))) for p in parts]
    fields: np.ndarray = torch.cat(found).double().numpy()
    return fields


def _normaliser(fields: Tensor) -> Any:
    made = UnitGaussianNormalizer(dim=[0, 2, 3])
    made.fit(fields)
    return made
