"""A convolutional network learns to tell drawn squares, circles and crosses apart.

Run it by itself, or record it: graphreel record cnn.py --steps 8
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE = 32
SHAPES = ("square", "circle", "cross")


def draw(label: int, generator: torch.Generator) -> Tensor:
    """One noisy image of a shape somewhere in the frame."""
    center = torch.randint(10, SIZE - 10, (2,), generator=generator)
    radius = int(torch.randint(4, 9, (1,), generator=generator))
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    down, across = rows - center[0], columns - center[1]
    if SHAPES[label] == "square":
        inside = (down.abs() <= radius) & (across.abs() <= radius)
    elif SHAPES[label] == "circle":
        inside = down**2 + across**2 <= radius**2
    else:
        inside = ((down.abs() <= 1) | (across.abs() <= 1)) & (down.abs() <= radius) & (across.abs() <= radius)
    noise = torch.randn(SIZE, SIZE, generator=generator)
    return (inside.float() + 0.3 * noise).unsqueeze(0)


def draw_dataset(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images `(count, 1, 32, 32)` and the number of the shape in each."""
    labels = torch.randint(len(SHAPES), (count,), generator=generator)
    return torch.stack([draw(int(label), generator) for label in labels]), labels


class Block(nn.Module):
    """Convolution, normalisation and pooling."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, images: Tensor) -> Tensor:
        return functional.max_pool2d(functional.relu(self.norm(self.conv(images))), 2)


class ShapeNet(nn.Module):
    """Three blocks and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, 8), Block(8, 16), Block(16, 32)])
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(32, len(SHAPES))

    def forward(self, images: Tensor) -> Tensor:
        for block in self.blocks:
            images = block(images)
        return self.classifier(self.dropout(images.mean(dim=(2, 3))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="training steps")
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    options = parser.parse_args()

    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    images, labels = draw_dataset(512, generator)
    model = ShapeNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    for step in range(options.steps):
        chosen = torch.randint(len(images), (options.batch,), generator=generator)
        logits = model(images[chosen])
        loss = functional.cross_entropy(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hits = (logits.argmax(dim=1) == labels[chosen]).float().mean()
        print(f"step {step}: loss {loss.item():.3f}, {hits.item():.0%} right")


if __name__ == "__main__":
    main()
