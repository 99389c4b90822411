"""An RNN learns to add up numbers, in batches that each have another length.

The loop over time is plain Python, so each batch builds another graph: look at how the iterations differ.
Run it by itself, or record it: graphreel record rnn_varying_length.py --steps 8
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional


def draw_batch(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences of 3 to 9 numbers each, `(batch, length)`, and their sums."""
    length = int(torch.randint(3, 10, (1,), generator=generator))
    numbers = torch.rand(batch, length, generator=generator)
    return numbers, numbers.sum(dim=1)


class Adder(nn.Module):
    """Reads one number after the other, then tells their sum."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.cell = nn.GRUCell(1, width)
        self.answer = nn.Linear(width, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        state = numbers.new_zeros(len(numbers), self.width)
        for number in numbers.unbind(dim=1):
            state = self.cell(number.unsqueeze(1), state)
        return self.answer(state).squeeze(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="training steps")
    parser.add_argument("--batch", type=int, default=32, help="sequences per step")
    options = parser.parse_args()

    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = Adder()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    for step in range(options.steps):
        numbers, sums = draw_batch(options.batch, generator)
        loss = functional.mse_loss(model(numbers), sums)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}: length {numbers.shape[1]}, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
