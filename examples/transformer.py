"""A small GPT learns to continue a text that the program makes up.

Run it by itself, or record it: graphreel record transformer.py --steps 8
"""

import argparse
import random

import torch
from torch import Tensor, nn
from torch.nn import functional

SUBJECTS = ("the cat", "a dog", "the old robot", "my neighbour", "a small bird")
VERBS = ("sees", "follows", "likes", "paints", "hears")
OBJECTS = ("the moon", "a red ball", "an open door", "the quiet sea", "its own shadow")


def make_text(sentences: int, seed: int = 0) -> str:
    """Sentences of a simple grammar."""
    chooser = random.Random(seed)
    parts = [
        f"{chooser.choice(SUBJECTS)} {chooser.choice(VERBS)} {chooser.choice(OBJECTS)}. " for _ in range(sentences)
    ]
    return "".join(parts)


class SelfAttention(nn.Module):
    """Each position looks at those before it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(x).split(width, dim=2)
        )
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.gelu(self.up(x)))


class Layer(nn.Module):
    """Attention and feed-forward, each around a residual connection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attn(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))


class GPT(nn.Module):
    """Predicts the next character at every position."""

    def __init__(self, letters: int, length: int, width: int = 64, heads: int = 4, depth: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Embedding(letters, width)
        self.positions = nn.Embedding(length, width)
        self.layers = nn.ModuleList([Layer(width, heads, dropout=0.1) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters, bias=False)

    def forward(self, letters: Tensor) -> Tensor:
        positions = torch.arange(letters.shape[1], device=letters.device)
        x = self.tokens(letters) + self.positions(positions)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8, help="training steps")
    parser.add_argument("--batch", type=int, default=16, help="pieces of text per step")
    parser.add_argument("--length", type=int, default=64, help="characters per piece")
    parser.add_argument("--depth", type=int, default=4, help="layers of the model")
    options = parser.parse_args()

    torch.manual_seed(0)
    text = make_text(500)
    alphabet = sorted(set(text))
    encoded = torch.tensor([alphabet.index(letter) for letter in text])
    model = GPT(len(alphabet), options.length, depth=options.depth)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    for step in range(options.steps):
        starts = torch.randint(len(encoded) - options.length - 1, (options.batch, 1))
        chosen = starts + torch.arange(options.length)
        letters, targets = encoded[chosen], encoded[chosen + 1]
        logits = model(letters)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        print(f"step {step}: loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
