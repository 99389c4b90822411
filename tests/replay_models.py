"""Small programs that the tests of replay record: two hundred and more, by name. Each trains or computes a little."""

import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

Program = Callable[[], object]

STEPS = 2


def fit(
    model: nn.Module,
    *shape: int,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    batch: Callable[[], object] | None = None,
    loss: Callable[[Tensor], Tensor] = lambda out: out.square().mean(),
) -> None:
    """Train a model for two steps on random batches."""
    stepper = optimizer(model.parameters()) if any(True for _ in model.parameters()) else None
    for _ in range(STEPS):
        given = torch.randn(shape) if batch is None else batch()
        out = model(*given) if isinstance(given, tuple) else model(given)
        while isinstance(out, tuple):
            out = out[0]
        if stepper is None:
            loss(out)
            continue
        stepper.zero_grad()
        value = loss(out)
        value.backward()
        stepper.step()
        value.item()


def layers() -> dict[str, Program]:
    """One layer each, with what it needs around it."""

    def ids() -> Tensor:
        return torch.randint(0, 7, (3, 4))

    recurrent = {
        "lstm": nn.LSTM(3, 4),
        "lstm-two-ways": nn.LSTM(3, 4, num_layers=2, bidirectional=True, dropout=0.3),
        "lstm-projected": nn.LSTM(3, 4, proj_size=2),
        "gru": nn.GRU(3, 4),
        "gru-batch-first": nn.GRU(3, 4, num_layers=2, batch_first=True, dropout=0.2),
        "rnn": nn.RNN(3, 4),
        "rnn-relu": nn.RNN(3, 4, nonlinearity="relu"),
    }
    found: dict[str, Program] = {name: partial(fit, model, 5, 2, 3) for name, model in recurrent.items()}
    flat = {
        "linear": nn.Linear(4, 3),
        "linear-without-bias": nn.Linear(4, 3, bias=False),
        "layer-norm": nn.LayerNorm(4),
        "layer-norm-plain": nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4, elementwise_affine=False)),
        "rms-norm": nn.RMSNorm(4),
        "batch-norm-1d": nn.BatchNorm1d(4),
        "batch-norm-cumulative": nn.BatchNorm1d(4, momentum=None),
        "batch-norm-untracked": nn.BatchNorm1d(4, track_running_stats=False),
        "batch-norm-eval": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4).eval()),
        "dropout": nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.4)),
        "alpha-dropout": nn.Sequential(nn.Linear(4, 8), nn.AlphaDropout(0.4)),
        "feature-alpha-dropout": nn.Sequential(nn.Linear(4, 8), nn.FeatureAlphaDropout(0.4)),
        "weight-norm": nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)),
        "spectral-norm": nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)),
        "orthogonal": nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)),
        "glu": nn.Sequential(nn.Linear(4, 8), nn.GLU()),
    }
    found |= {name: partial(fit, model, 3, 4) for name, model in flat.items()}
    rows = {
        "conv-1d": nn.Conv1d(4, 3, 3, padding=1),
        "conv-1d-same": nn.Conv1d(4, 4, 3, padding="same", groups=2),
        "conv-transposed-1d": nn.ConvTranspose1d(4, 3, 3, stride=2),
        "instance-norm": nn.InstanceNorm1d(4, affine=True),
        "max-pool-1d": nn.Sequential(nn.Conv1d(4, 4, 1), nn.MaxPool1d(2)),
        "avg-pool-1d": nn.Sequential(nn.Conv1d(4, 4, 1), nn.AvgPool1d(2)),
        "lp-pool-1d": nn.Sequential(nn.Conv1d(4, 4, 1), nn.LPPool1d(2, 2)),
        "circular-pad": nn.Sequential(nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular")),
        "reflection-pad": nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReflectionPad1d(2)),
        "dropout-1d": nn.Sequential(nn.Conv1d(4, 4, 1), nn.Dropout1d(0.4)),
        "upsample-linear": nn.Sequential(nn.Conv1d(4, 4, 1), nn.Upsample(scale_factor=2, mode="linear")),
    }
    found |= {name: partial(fit, model, 2, 4, 8) for name, model in rows.items()}
    images = {
        "conv-2d": nn.Conv2d(2, 4, 3),
        "conv-2d-grouped": nn.Conv2d(2, 4, 3, groups=2, dilation=2),
        "conv-2d-strided": nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False),
        "conv-2d-replicated": nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate"),
        "conv-2d-channels-last": nn.Conv2d(2, 4, 3).to(memory_format=torch.channels_last),
        "conv-transposed-2d": nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1),
        "conv-norm-relu": nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        "group-norm": nn.Sequential(nn.Conv2d(2, 4, 1), nn.GroupNorm(2, 4)),
        "max-pool-2d": nn.Sequential(nn.Conv2d(2, 2, 1), nn.MaxPool2d(2)),
        "avg-pool-2d": nn.Sequential(nn.Conv2d(2, 2, 1), nn.AvgPool2d(2, count_include_pad=False)),
        "adaptive-avg-pool": nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d((3, None))),
        "adaptive-max-pool": nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveMaxPool2d(3)),
        "fractional-max-pool": nn.Sequential(nn.Conv2d(2, 2, 1), nn.FractionalMaxPool2d(2, output_size=3)),
        "local-response-norm": nn.Sequential(nn.Conv2d(2, 4, 1), nn.LocalResponseNorm(2)),
        "pixel-shuffle": nn.Sequential(nn.Conv2d(2, 8, 1), nn.PixelShuffle(2)),
        "pixel-unshuffle": nn.Sequential(nn.Conv2d(2, 2, 1), nn.PixelUnshuffle(2)),
        "channel-shuffle": nn.Sequential(nn.Conv2d(2, 4, 1), nn.ChannelShuffle(2)),
        "upsample-nearest": nn.Sequential(nn.Conv2d(2, 2, 1), nn.Upsample(scale_factor=2)),
        "upsample-bilinear": nn.Sequential(nn.Conv2d(2, 2, 1), nn.Upsample(size=(5, 9), mode="bilinear")),
        "upsample-bicubic": nn.Sequential(nn.Conv2d(2, 2, 1), nn.Upsample(scale_factor=1.5, mode="bicubic")),
        "unfold": nn.Sequential(nn.Conv2d(2, 2, 1), nn.Unfold(3)),
        "dropout-2d": nn.Sequential(nn.Conv2d(2, 4, 1), nn.Dropout2d(0.4)),
        "zero-pad": nn.Sequential(nn.Conv2d(2, 2, 1), nn.ZeroPad2d((1, 2, 0, 1))),
        "replication-pad": nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReplicationPad2d(1)),
    }
    found |= {name: partial(fit, model, 2, 2, 8, 8) for name, model in images.items()}
    volumes = {
        "conv-3d": nn.Conv3d(2, 3, 2),
        "conv-transposed-3d": nn.ConvTranspose3d(2, 2, 2),
        "batch-norm-3d": nn.BatchNorm3d(2),
        "max-pool-3d": nn.Sequential(nn.Conv3d(2, 2, 1), nn.MaxPool3d(2)),
        "avg-pool-3d": nn.Sequential(nn.Conv3d(2, 2, 1), nn.AvgPool3d(2)),
    }
    found |= {name: partial(fit, model, 1, 2, 4, 4, 4) for name, model in volumes.items()}
    words = {
        "embedding": nn.Embedding(7, 4),
        "embedding-padded": nn.Embedding(7, 4, padding_idx=0),
        "embedding-max-norm": nn.Embedding(7, 4, max_norm=1.0),
        "embedding-scaled": nn.Embedding(7, 4, scale_grad_by_freq=True),
        "embedding-sparse": nn.Embedding(7, 4, sparse=True),
        "embedding-bag": nn.EmbeddingBag(7, 4),
        "embedding-bag-sum": nn.EmbeddingBag(7, 4, mode="sum"),
        "embedding-bag-max": nn.EmbeddingBag(7, 4, mode="max"),
    }
    found |= {name: partial(fit, model, batch=ids) for name, model in words.items()}
    attending = {
        "attention": (nn.MultiheadAttention(8, 2, dropout=0.1), 3),
        "attention-no-weights": (_SelfAttention(), 1),
        "encoder-layer": (nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1), 1),
        "encoder-layer-norm-first": (nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu"), 1),
        "decoder-layer": (nn.TransformerDecoderLayer(8, 2, 16), 2),
    }
    for name, (model, count) in attending.items():
        found[name] = partial(fit, model, batch=partial(_several, count, (4, 2, 8)))
    found["bilinear"] = partial(fit, nn.Bilinear(3, 4, 5), batch=lambda: (torch.randn(2, 3), torch.randn(2, 4)))
    found["lstm-cell"] = partial(fit, nn.LSTMCell(3, 4), 2, 3)
    found["gru-cell"] = partial(fit, nn.GRUCell(3, 4), 2, 3)
    found["rnn-cell"] = partial(fit, nn.RNNCell(3, 4), 2, 3)
    found["fold"] = partial(fit, nn.Sequential(nn.Linear(4, 4), nn.Fold((3, 3), 2)), 1, 8, 4)
    return found


class _SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


def _several(count: int, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.randn(shape) for _ in range(count))


def activations() -> dict[str, Program]:
    """Every activation between two linear layers."""
    kinds: dict[str, nn.Module] = {
        "relu-inplace": nn.ReLU(inplace=True),
        "gelu-tanh": nn.GELU(approximate="tanh"),
        "softmax": nn.Softmax(-1),
        "log-softmax": nn.LogSoftmax(-1),
        "softmin": nn.Softmin(-1),
        "threshold": nn.Threshold(0.1, 0.5),
        "prelu-many": nn.PReLU(6),
        "elu-inplace": nn.ELU(inplace=True),
    }
    plain = (
        "ReLU6 ReLU GELU SiLU Mish ELU SELU CELU LeakyReLU PReLU RReLU Hardswish Hardtanh Hardsigmoid Hardshrink "
        "Softplus Softshrink Softsign Tanhshrink LogSigmoid Sigmoid Tanh"
    )
    kinds |= {name.lower(): getattr(nn, name)() for name in plain.split()}
    return {
        f"activation-{name}": partial(fit, nn.Sequential(nn.Linear(4, 6), kind, nn.Linear(6, 2)), 3, 4)
        for name, kind in kinds.items()
    }


def losses() -> dict[str, Program]:
    """Every loss on a linear layer."""
    real, classes = torch.randn(3, 5), torch.tensor([1, 0, 4])
    ones, inside = torch.tensor([1.0, -1.0, 1.0]), torch.rand(3, 5)
    pairs: dict[str, Callable[[Tensor], Tensor]] = {
        "mse": lambda out: functional.mse_loss(out, real),
        "l1": lambda out: functional.l1_loss(out, real, reduction="sum"),
        "smooth-l1": lambda out: functional.smooth_l1_loss(out, real, beta=0.5),
        "huber": lambda out: functional.huber_loss(out, real),
        "cross-entropy": lambda out: functional.cross_entropy(out, classes),
        "cross-entropy-weighted": lambda out: functional.cross_entropy(out, classes, weight=torch.arange(1.0, 6)),
        "cross-entropy-smoothed": lambda out: functional.cross_entropy(out, classes, label_smoothing=0.1),
        "cross-entropy-soft": lambda out: functional.cross_entropy(out, inside),
        "cross-entropy-ignoring": lambda out: functional.cross_entropy(out, classes, ignore_index=0),
        "nll": lambda out: functional.nll_loss(out.log_softmax(-1), classes),
        "bce": lambda out: functional.binary_cross_entropy(out.sigmoid(), inside),
        "bce-with-logits": lambda out: functional.binary_cross_entropy_with_logits(out, inside),
        "kl-div": lambda out: functional.kl_div(out.log_softmax(-1), inside, reduction="batchmean"),
        "poisson-nll": lambda out: functional.poisson_nll_loss(out, inside),
        "gaussian-nll": lambda out: functional.gaussian_nll_loss(out, real, inside),
        "hinge-embedding": lambda out: functional.hinge_embedding_loss(out, real.sign()),
        "cosine-embedding": lambda out: functional.cosine_embedding_loss(out, real, ones),
        "margin-ranking": lambda out: functional.margin_ranking_loss(out[:, 0], out[:, 1], ones),
        "multi-margin": lambda out: functional.multi_margin_loss(out, classes),
        "multilabel-margin": lambda out: functional.multilabel_margin_loss(out, classes.repeat(3, 5)[:, :5]),
        "multilabel-soft-margin": lambda out: functional.multilabel_soft_margin_loss(out, inside.round()),
        "soft-margin": lambda out: functional.soft_margin_loss(out, real.sign()),
        "triplet": lambda out: functional.triplet_margin_loss(out, real, inside),
        "ctc": lambda out: functional.ctc_loss(
            out.log_softmax(-1).unsqueeze(1).repeat(4, 1, 1), torch.tensor([[1, 2]]), (12,), (2,)
        ),
        "cosine-similarity": lambda out: 1 - functional.cosine_similarity(out, real).mean(),
        "pairwise-distance": lambda out: functional.pairwise_distance(out, real).sum(),
    }
    return {f"loss-{name}": partial(fit, nn.Linear(4, 5), 3, 4, loss=loss) for name, loss in pairs.items()}


def optimizers() -> dict[str, Program]:
    """Every optimizer, one parameter after the other, all at once, and fused where there is that."""
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": partial(torch.optim.SGD, lr=0.1),
        "sgd-momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.1),
        "sgd-nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "sgd-maximize": partial(torch.optim.SGD, lr=0.1, maximize=True),
        "adam": partial(torch.optim.Adam, lr=0.01),
        "adam-amsgrad": partial(torch.optim.Adam, lr=0.01, amsgrad=True, weight_decay=0.1),
        "adamw": partial(torch.optim.AdamW, lr=0.01),
        "adamax": partial(torch.optim.Adamax, lr=0.01),
        "nadam": partial(torch.optim.NAdam, lr=0.01),
        "radam": partial(torch.optim.RAdam, lr=0.01),
        "rmsprop": partial(torch.optim.RMSprop, lr=0.01, momentum=0.5),
        "rmsprop-centered": partial(torch.optim.RMSprop, lr=0.01, centered=True),
        "adagrad": partial(torch.optim.Adagrad, lr=0.01, lr_decay=0.1),
        "adadelta": partial(torch.optim.Adadelta, lr=0.5),
        "asgd": partial(torch.optim.ASGD, lr=0.01),
        "rprop": partial(torch.optim.Rprop, lr=0.01),
        "adafactor": partial(torch.optim.Adafactor, lr=0.01),
    }
    fused = ("sgd", "sgd-momentum", "sgd-nesterov", "adam", "adam-amsgrad", "adamw", "adagrad")
    found: dict[str, Program] = {}
    for name, kind in kinds.items():
        ways = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}}
        if name in fused:
            ways["fused"] = {"fused": True}
        for way, given in ways.items():
            model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
            found[f"{name}-{way}"] = partial(fit, model, 3, 4, optimizer=partial(kind, **given))
    tensor_rate = partial(torch.optim.Adam, lr=torch.tensor(0.01), capturable=False, foreach=False)
    found["adam-rate-as-tensor"] = partial(fit, nn.Linear(4, 3), 3, 4, optimizer=tensor_rate)
    found["adam-differentiable"] = partial(
        fit, nn.Linear(4, 3), 3, 4, optimizer=partial(torch.optim.Adam, foreach=False, betas=(0.5, 0.9))
    )
    found["adam-foreach-tensor-rate"] = partial(
        fit, nn.Linear(4, 3), 3, 4, optimizer=partial(torch.optim.Adam, lr=0.02, foreach=True, maximize=True)
    )
    found["lbfgs"] = _lbfgs
    found["lbfgs-line-search"] = partial(_lbfgs, "strong_wolfe")
    found["sparse-adam"] = partial(
        fit,
        nn.Embedding(7, 3, sparse=True),
        batch=lambda: torch.randint(0, 7, (4,)),
        optimizer=lambda parameters: torch.optim.SparseAdam(list(parameters), lr=0.01),
    )
    return found


def _lbfgs(line_search: str | None = None) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4, line_search_fn=line_search)
    inputs, wanted = torch.randn(6, 3), torch.randn(6, 1)
    for _ in range(STEPS):

        def closure() -> float:
            optimizer.zero_grad()
            loss = functional.mse_loss(model(inputs), wanted)
            loss.backward()
            return loss.item()

        optimizer.step(closure)


def made(*families: Callable[[], dict[str, Program]]) -> dict[str, Program]:
    """The programs of several families by name. Models are made here, so not within a recording."""
    torch.manual_seed(7)
    with warnings.catch_warnings():
        # Quantized and nested tensors are of yesterday or of tomorrow.
        warnings.simplefilter("ignore")
        return {name: program for family in families for name, program in family().items()}
