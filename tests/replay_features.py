"""Programs for the tests of replay that each use one thing of PyTorch's: views, writes, random numbers, modes, …."""

import copy
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Program = Callable[[], object]

_FEATURES: dict[str, Program] = {}


def feature(program: Program) -> Program:
    """Add a program under its own name."""
    _FEATURES[getattr(program, "__name__", "").replace("_", "-")] = program
    return program


def features() -> dict[str, Program]:
    """All programs of this module, by name."""
    return dict(_FEATURES)


def descend(parameters: list[Tensor], loss_of: Callable[[], Tensor], steps: int = 2) -> None:
    """Plain gradient descent with an optimizer of PyTorch's."""
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()


# Views and writes.


@feature
def slices_are_assigned() -> None:
    weight = nn.Parameter(torch.randn(4, 4))

    def loss() -> Tensor:
        board = torch.zeros(4, 4)
        board[1:3] = weight[1:3] * 2
        board[:, 0] += weight[0]
        board[0, ::2] = 5.0
        return (board * weight).sum()

    descend([weight], loss)


@feature
def views_are_written_in_place() -> None:
    for _ in range(2):
        whole = torch.randn(4, 6)
        row, block = whole[1], whole[:2, 2:4]
        whole.add_(1)
        row.mul_(3)
        block.sub_(whole[2:, :2])
        whole.t().relu_()
        torch.split(whole, 2)[1].zero_()
        whole.view(-1)[::5].fill_(7.0)
        (whole + row.sum()).sum()


@feature
def outside_views_of_one_memory() -> None:
    base = torch.randn(4, 4)
    left, right, diagonal = base[:, :2], base[:, 2:], base.diagonal()
    model = nn.Linear(2, 2)

    def loss() -> Tensor:
        left.mul_(0.5)
        return model(right).sum() + diagonal.sum() + base.sum()

    descend(list(model.parameters()), loss)


@feature
def out_arguments() -> None:
    for _ in range(2):
        a, b = torch.randn(3, 3), torch.randn(3, 3)
        out = torch.empty(3, 3)
        torch.add(a, b, out=out)
        torch.matmul(a, out, out=b)
        torch.cat([a, b], out=torch.empty(6, 3)).sum()
        values, indices = torch.empty(3), torch.empty(3, dtype=torch.long)
        torch.max(b, 1, out=(values, indices))
        values + indices


@feature
def memory_is_made_empty_and_filled() -> None:
    for _ in range(2):
        rows = torch.empty(5, 3)
        for at in range(5):
            rows[at] = torch.randn(3) + at
        rows.new_empty(3, 3).copy_(rows[:3]).sum()
        torch.empty_like(rows).normal_().sum()


@feature
def memory_is_filled_beside_operations() -> None:
    for step in range(2):
        whole = torch.empty(4)
        whole.numpy()[:] = [1.0, 2.0, step, 4.0]
        (whole * 2).sum().item()
        rows, copied = torch.empty(2, 3), torch.zeros(2, 3)
        for at in range(2):
            rows[at].numpy()[:] = at + step
        copied.copy_(rows)
        (copied + 1).sum().item()


@feature
def as_strided_and_unfold() -> None:
    for _ in range(2):
        x = torch.randn(10)
        torch.as_strided(x, (3, 4), (2, 1)).sum(1)
        x.unfold(0, 4, 2).mul(2).sum()
        x.expand(3, 10).contiguous().view(5, 6).transpose(0, 1).reshape(-1)
        x.as_strided_((2, 2), (1, 1), 3)
        x + 1


@feature
def reshaped_in_place() -> None:
    for _ in range(2):
        x = torch.randn(2, 3, 4)
        x.transpose_(0, 1).unsqueeze_(0).squeeze_()
        x.resize_(4, 6)
        x.t_().add_(1)
        x.swapaxes(0, 1).movedim(0, 1).sum()


@feature
def data_is_set() -> None:
    model = nn.Linear(3, 3)

    def loss() -> Tensor:
        model.weight.data = model.weight.data * 0.9
        model.bias.data.clamp_(-1, 1)
        return model(torch.ones(2, 3)).sum()

    descend(list(model.parameters()), loss, steps=3)


@feature
def storages_are_set() -> None:
    shared = torch.arange(6.0)
    for _ in range(2):
        mine, other = torch.randn(6), torch.zeros(2, 3)
        # Another memory, of the same shape and of another one; then both tensors write it.
        mine.set_(shared.untyped_storage(), 0, (6,), (1,))
        other.set_(mine.untyped_storage(), 1, (2, 2), (2, 1))
        other.mul_(3)
        (mine + shared).sum().item()
        last = torch.empty(0).set_(torch.rand(5).untyped_storage())
        (last.add_(1) + 1).sum()
        last.untyped_storage().fill_(0)
        last.untyped_storage().copy_(torch.rand(5).untyped_storage())
        (last * 2).sum()


@feature
def tensors_are_copied_deeply() -> None:
    model = nn.Linear(3, 2)

    def loss() -> Tensor:
        average = copy.deepcopy(model)
        noise = copy.deepcopy(torch.randn(2, 3))
        saved = io.BytesIO()
        torch.save(noise, saved)
        saved.seek(0)
        return model(noise).sum() + average(torch.load(saved)).sum()

    descend(list(model.parameters()), loss)


@feature
def weights_are_tied() -> None:
    table = nn.Embedding(6, 4)
    head = nn.Linear(4, 6, bias=False)
    head.weight = table.weight
    ids = torch.randint(0, 6, (5,))
    descend(list(head.parameters()), lambda: functional.cross_entropy(head(table(ids)), ids))


@feature
def gradients_accumulate() -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        for _ in range(3):
            (model(torch.randn(2, 3)).square().mean() / 3).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)


@feature
def gradients_are_clipped_by_value() -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(2, 3)).square().mean().backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()


@feature
def learning_rate_is_scheduled() -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=4)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 3)).square().mean().backward()
        optimizer.step()
        schedule.step()


# Indexing, sorting, scattering.


@feature
def indexing_with_tensors_none_and_masks() -> None:
    table = nn.Parameter(torch.randn(4, 5, 3))

    def loss() -> Tensor:
        rows = torch.tensor([0, 2, 2])
        picked = table[rows, :, torch.tensor([1, 0, 2])].sum() + table[:, rows].sum() + table[..., rows].sum()
        masked = table[table > 0].sum() + table[:, torch.tensor([True, False, True, False, True])].sum()
        return picked + masked + table[:, None, rows].sum() + table[None, rows, None].mean()

    descend([table], loss)


@feature
def index_put_and_friends() -> None:
    for _ in range(2):
        x, rows = torch.zeros(5, 3), torch.tensor([0, 3, 3])
        x.index_put_((rows,), torch.randn(3, 3), accumulate=True)
        x[:, torch.tensor([0, 2])] = 4.0
        x[x > 3.5] = torch.randn(())
        x.index_add_(0, rows, torch.ones(3, 3), alpha=2)
        x.index_copy_(1, torch.tensor([2, 0]), torch.randn(5, 2))
        x.index_fill_(0, torch.tensor([1]), -1.0)
        x.masked_fill_(x < -0.5, 0.25).masked_scatter_(x > 3, torch.randn(15))
        torch.take(x, rows).put_(torch.tensor([1]), torch.tensor([9.0]))


@feature
def scatter_and_gather() -> None:
    weight = nn.Parameter(torch.randn(3, 5))
    places = torch.randint(0, 5, (3, 4))

    def loss() -> Tensor:
        gathered = weight.gather(1, places)
        back = torch.zeros(3, 5).scatter_add_(1, places, gathered).scatter(1, places, 2.0)
        reduced = torch.ones(3, 5).scatter_reduce(1, places, gathered, reduce="prod")
        return back.sum() + reduced.sum() + torch.zeros(3, 5).scatter_(1, places, 1.0, reduce="add").sum()

    descend([weight], loss)


@feature
def sort_topk_and_kthvalue() -> None:
    weight = nn.Parameter(torch.randn(4, 6))

    def loss() -> Tensor:
        ordered, places = weight.sort(dim=1, descending=True, stable=True)
        best, _ = weight.topk(2, largest=False)
        return ordered[:, 0].sum() + best.sum() + weight.kthvalue(3).values.sum() + places.float().mean() * 0

    descend([weight], loss)


@feature
def searching_and_counting() -> None:
    for _ in range(2):
        x = torch.randint(0, 5, (12,))
        torch.unique(x, return_inverse=True, return_counts=True)
        torch.unique_consecutive(x, return_counts=True)
        torch.bincount(x, minlength=6)
        torch.histc(x.float(), bins=4)
        torch.searchsorted(torch.arange(5), x, right=True)
        torch.bucketize(x, torch.tensor([1, 3]))
        torch.nonzero(x > 2)
        torch.isin(x, torch.tensor([1, 2]))
        x.argmax() + x.argmin() + x.argsort()[0]


@feature
def cumulated() -> None:
    weight = nn.Parameter(torch.rand(4, 5) + 0.5)
    descend(
        [weight],
        lambda: (
            weight.cumsum(0).sum()
            + weight.cumprod(1).mean()
            + weight.logcumsumexp(0).sum()
            + weight.cummax(1).values.sum()
        ),
    )


@feature
def reductions() -> None:
    weight = nn.Parameter(torch.rand(4, 5) + 0.5)

    def loss() -> Tensor:
        parts = (weight.var(0).sum(), weight.std(), weight.prod(1).sum(), weight.norm(), weight.amax(1).sum())
        more = (weight.logsumexp(1).sum(), weight.median(), weight.mode(1).values.sum(), weight.nansum())
        return torch.stack([*parts, *more]).sum() + torch.quantile(weight, 0.3) + weight.aminmax(dim=0).max.sum()

    descend([weight], loss)


@feature
def pieces_and_piles() -> None:
    weight = nn.Parameter(torch.randn(4, 6))

    def loss() -> Tensor:
        one, two, _ = weight.chunk(3, 1)
        piled = torch.stack([one, two]).flip(0).roll(1, 1).repeat(1, 1, 2).tile(2)
        joined = torch.cat([weight.unbind(0)[0], weight.tensor_split(2)[1].flatten()])
        return piled.sum() + joined.square().sum() + torch.block_diag(one, two).sum() + weight.tril().triu(-1).sum()

    descend([weight], loss)


@feature
def einsum_and_products() -> None:
    a, b = nn.Parameter(torch.randn(2, 3, 4)), nn.Parameter(torch.randn(2, 4, 5))

    def loss() -> Tensor:
        one = torch.einsum("bij,bjk->bik", a, b).sum() + torch.einsum("bij->ji", a).sum()
        two = torch.bmm(a, b).sum() + torch.baddbmm(torch.ones(2, 3, 5), a, b, beta=0.5, alpha=2).sum()
        return one + two + torch.tensordot(a, b, dims=([2], [1])).sum() + torch.kron(a[0], b[0]).mean()

    descend([a, b], loss)


@feature
def scaled_dot_product_attention() -> None:
    query = nn.Parameter(torch.randn(1, 2, 4, 8))
    mask = torch.ones(4, 4, dtype=torch.bool).tril()

    def loss() -> Tensor:
        attend = functional.scaled_dot_product_attention
        plain = attend(query, query, query, is_causal=True).sum() + attend(query, query, query, attn_mask=mask).sum()
        return plain + attend(query, query, query, dropout_p=0.3).sum()

    descend([query], loss)


# Random numbers.


@feature
def random_numbers_of_all_kinds() -> None:
    for _ in range(2):
        x = torch.empty(20)
        x.normal_(1, 2).uniform_(-1, 1).exponential_(0.5).cauchy_().log_normal_().geometric_(0.3)
        x.bernoulli_(0.3).random_(5)
        torch.bernoulli(torch.rand(4, 5))
        torch.randperm(9)
        torch.multinomial(torch.rand(3, 6), 2)
        torch.multinomial(torch.rand(6), 4, replacement=True)
        torch.poisson(torch.rand(5) * 3)
        torch.normal(torch.zeros(4), torch.rand(4))
        torch.randn_like(x, dtype=torch.float64)
        torch.randint_like(x, 3, 9)
        torch._standard_gamma(torch.rand(3) + 1)
        torch.binomial(torch.full((3,), 5.0), torch.rand(3))
        torch.distributions.Dirichlet(torch.ones(3)).sample()
        functional.gumbel_softmax(torch.randn(2, 3))


@feature
def own_generators() -> None:
    one, two = torch.Generator().manual_seed(3), torch.Generator().manual_seed(4)
    for _ in range(3):
        a = torch.randn(4, generator=one)
        b = torch.empty(4).uniform_(0, 1, generator=two)
        (a + b + torch.rand(4) + torch.randn(4, generator=one)).sum()
        torch.randperm(5, generator=torch.default_generator)


@feature
def seeds_are_set_within_the_pass() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))

    def loss() -> Tensor:
        noise = torch.randn(2, 4)
        torch.manual_seed(11)
        out = model(noise + torch.rand(2, 4))
        state = torch.get_rng_state()
        more = torch.rand(4)
        torch.set_rng_state(state)
        return (out + more + torch.rand(4)).sum()

    descend(list(model.parameters()), loss, steps=3)


# Dtypes, layouts and kinds of tensors.


@feature
def complex_numbers_and_fft() -> None:
    weight = nn.Parameter(torch.randn(8))

    def loss() -> Tensor:
        spectrum = torch.fft.rfft(weight) * (1 + 2j)
        spectrum = spectrum + complex(0.0, -0.0)
        back = torch.fft.irfft(spectrum.conj() * 0.5, n=8)
        both = torch.view_as_real(torch.fft.fft(weight + 0j)).sum()
        return back.square().sum() + spectrum.abs().sum() + both + torch.fft.fftn(weight.view(2, 4)).real.sum()

    descend([weight], loss)


@feature
def complex_parameters() -> None:
    weight = nn.Parameter(torch.randn(3, 3, dtype=torch.complex64))

    def loss() -> Tensor:
        found: Tensor = (weight @ weight.mH + weight.imag.sum()).abs().sum() + weight.angle().sum()
        return found + torch.resolve_neg(weight.conj().imag).square().sum()

    optimizer = torch.optim.Adam([weight])
    for _ in range(2):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


@feature
def conjugate_views_from_outside() -> None:
    whole = torch.randn(4, dtype=torch.complex64)
    conjugate, negative = whole.conj(), whole.conj().imag
    for _ in range(2):
        model_free = conjugate * 2 + negative
        model_free.sum()


@feature
def linear_algebra() -> None:
    weight = nn.Parameter(torch.randn(4, 4))

    def loss() -> Tensor:
        spd = weight @ weight.T + 4 * torch.eye(4)
        _, s, _ = torch.linalg.svd(weight)
        q, r = torch.linalg.qr(weight)
        parts = torch.linalg.cholesky(spd).sum() + torch.linalg.inv(spd).sum() + torch.linalg.det(spd)
        more = torch.linalg.solve(spd, weight).sum() + torch.linalg.eigvalsh(spd).sum() + s.sum() + r.abs().sum()
        return parts + more + torch.linalg.matrix_norm(weight) + torch.linalg.slogdet(spd).logabsdet + (q * 0).sum()

    descend([weight], loss)


@feature
def linear_algebra_without_gradients() -> None:
    for _ in range(2):
        x = torch.randn(4, 4)
        torch.linalg.eig(x)
        torch.linalg.lu(x)
        torch.linalg.pinv(x)
        torch.linalg.matrix_exp(x)
        torch.linalg.matrix_power(x, 3)
        torch.linalg.matrix_rank(x)
        torch.triangular_solve(torch.randn(4, 1), x)
        torch.cdist(x, x)


@feature
def least_squares() -> None:
    for _ in range(2):
        torch.linalg.lstsq(torch.randn(4, 4), torch.randn(4, 2))


def _in_dtype(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2)).to(dtype)
    descend(list(model.parameters()), lambda: model(torch.randn(3, 4, dtype=dtype)).square().mean())


@feature
def in_float64() -> None:
    _in_dtype(torch.float64)


@feature
def in_bfloat16() -> None:
    _in_dtype(torch.bfloat16)


@feature
def in_float16() -> None:
    _in_dtype(torch.float16)


@feature
def integers_and_booleans() -> None:
    for _ in range(2):
        x = torch.randint(-5, 5, (6,), dtype=torch.int32)
        (x // 2, x % 3, x << 1, x & 6, x ^ 1, ~x, x >> 1, x.bitwise_or(1))
        (x > 0) & (x < 3) | x.bool()
        torch.div(x, 2, rounding_mode="trunc") + torch.div(x.double(), 3, rounding_mode="floor")
        x.to(torch.uint8).sum() + x.to(torch.int8).prod() + x.to(torch.int16).max()
        torch.where(x > 0, x, -1).clamp(min=-2, max=2).to(torch.int64).cumsum(0)


@feature
def float8_and_bits() -> None:
    for _ in range(2):
        x = torch.randn(8)
        x.to(torch.float8_e4m3fn).to(torch.float32).sum()
        x.to(torch.float8_e5m2).view(torch.uint8).sum()
        x.view(torch.int32).bitwise_and(0x7F800000).view(torch.float32)


@feature
def numbers_that_are_not_finite() -> None:
    for _ in range(2):
        x = torch.full((4,), float("nan"))
        torch.clamp(torch.randn(4), max=float("inf"), min=float("-inf")) + x
        x.masked_fill_(torch.tensor([True, False, True, False]), float("-inf"))
        torch.nan_to_num(x, nan=0.5, posinf=3.0) * -0.0
        torch.isfinite(x).any() | torch.isnan(x).all()


@feature
def autocast_in_bfloat16() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 2))

    def loss() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return functional.mse_loss(model(torch.randn(3, 4)), torch.ones(3, 2))

    descend(list(model.parameters()), loss)


@feature
def autocast_with_convolutions() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))

    def loss() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return functional.cross_entropy(model(torch.randn(2, 1, 6, 6)), torch.tensor([0, 2]))

    descend(list(model.parameters()), loss)


@feature
def gradients_are_scaled() -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = model(torch.randn(3, 4)).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()


@feature
def sparse_coo() -> None:
    weight = nn.Parameter(torch.randn(3, 2))
    places = torch.tensor([[0, 1, 1, 3], [2, 0, 0, 1]])

    def loss() -> Tensor:
        matrix = torch.sparse_coo_tensor(places, torch.ones(4), (4, 3), check_invariants=True)
        return torch.sparse.mm(matrix, weight).sum() + matrix.coalesce().to_dense().sum()

    descend([weight], loss)


@feature
def sparse_from_outside() -> None:
    coo = torch.sparse_coo_tensor(torch.tensor([[0, 1], [2, 0]]), torch.ones(2), (2, 3), check_invariants=True)
    weight = nn.Parameter(torch.randn(3, 2))
    descend([weight], lambda: torch.sparse.mm(coo, weight).sum())


@feature
def quantized() -> None:
    outside = torch.quantize_per_tensor(torch.randn(3, 4), 0.1, 3, torch.quint8)
    channels = torch.quantize_per_channel(
        torch.randn(3, 4), torch.rand(3) + 0.1, torch.zeros(3, dtype=torch.long), 0, torch.qint8
    )
    for _ in range(2):
        inside = torch.quantize_per_tensor(torch.randn(3, 4), 0.05, 0, torch.qint8)
        (inside.dequantize() + outside.dequantize() + channels.dequantize()).sum()
        outside.int_repr().sum()


@feature
def fake_quantized() -> None:
    weight = nn.Parameter(torch.randn(4, 4))
    descend([weight], lambda: torch.fake_quantize_per_tensor_affine(weight, 0.1, 0, -128, 127).square().sum())


@feature
def nested() -> None:
    outside = torch.nested.nested_tensor([torch.randn(2, 4), torch.randn(3, 4)])
    model = nn.Linear(4, 3)
    descend(list(model.parameters()), lambda: torch.nested.to_padded_tensor(model(outside), 0.0).square().sum())


@feature
def nested_jagged() -> None:
    outside = torch.nested.nested_tensor([torch.randn(2, 4), torch.randn(3, 4)], layout=torch.jagged)
    model = nn.Linear(4, 3)
    descend(list(model.parameters()), lambda: (model(outside) * 2).values().square().sum())


@feature
def meta_tensors() -> None:
    for _ in range(2):
        shape_only = torch.empty(3, 4, device="meta")
        (shape_only @ shape_only.t()).sum()
        torch.randn(3).sum()


@feature
def zero_sized_and_scalars() -> None:
    for _ in range(2):
        nothing = torch.randn(0, 3)
        nothing.sum() + nothing.mean(0).sum()
        torch.cat([nothing, torch.randn(2, 3)]).sum()
        torch.tensor(3.0) * torch.tensor([1, 2]) + torch.scalar_tensor(2)
        torch.stack([torch.tensor(1.5), torch.randn(())])


@feature
def made_of_numbers() -> None:
    for _ in range(2):
        torch.arange(0, 1, 0.3) + torch.linspace(0, 1, 4)
        torch.eye(3, dtype=torch.float64) @ torch.full((3, 3), 2.5, dtype=torch.float64)
        torch.logspace(0, 2, 3) * torch.tensor([1.0, float("inf"), -0.0])
        torch.tril_indices(3, 3) + 1
        torch.hann_window(6) * torch.ones(6)
        torch.complex(torch.ones(2), torch.zeros(2)).real.sum()
        torch.cartesian_prod(torch.arange(2), torch.arange(3))
        torch.stack(torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij"))


# Modes, autograd, functions of functions.


@feature
def without_gradients() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).eval()
    for _ in range(2):
        with torch.no_grad():
            model(torch.randn(3, 4)).argmax(1)


@feature
def in_inference_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Conv1d(3, 2, 2), nn.Softmax(-1), nn.Dropout(0.2))
    for _ in range(2):
        with torch.inference_mode():
            out = model(torch.randn(3, 4))
            out[0] += 1
            out.reshape(-1).contiguous().view(2, -1).sum()


@feature
def inference_of_a_transformer() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    for _ in range(2):
        with torch.inference_mode():
            model(torch.randn(2, 4, 8))


@feature
def inference_of_recurrence() -> None:
    lstm, gru = nn.LSTM(3, 4, num_layers=2), nn.GRU(3, 4, bidirectional=True)
    for _ in range(2):
        with torch.inference_mode():
            lstm(torch.randn(5, 2, 3))[0].sum() + gru(torch.randn(5, 2, 3))[0].sum()


@feature
def checkpointed() -> None:
    inner, model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), nn.Tanh()), nn.Linear(4, 4)

    def loss() -> Tensor:
        found: Tensor = checkpoint(inner, model(torch.randn(3, 4)), use_reentrant=False).sum()
        return found

    descend([*model.parameters(), *inner.parameters()], loss)


@feature
def checkpointed_reentrant() -> None:
    inner, model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), nn.Tanh()), nn.Linear(4, 4)

    def loss() -> Tensor:
        found: Tensor = checkpoint(inner, model(torch.randn(3, 4)), use_reentrant=True).sum()
        return found

    descend([*model.parameters(), *inner.parameters()], loss)


@feature
def differentiated_twice() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

    def loss() -> Tensor:
        x = torch.randn(5, 3, requires_grad=True)
        (gradient,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        return (gradient.norm(dim=1) - 1).square().mean()

    descend(list(model.parameters()), loss)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, by: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.by = by
        return x * by

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradient * ctx.by + x * 0, None


@feature
def a_function_of_ones_own() -> None:
    weight = nn.Parameter(torch.randn(4))
    descend([weight], lambda: _Scaled.apply(weight, 1.5).square().sum())


@feature
def hooks_change_gradients() -> None:
    model = nn.Linear(3, 3)
    model.weight.register_hook(lambda gradient: gradient * 0.5)
    model.register_full_backward_hook(lambda module, into, out: (into[0] * 2,) if into[0] is not None else None)
    descend(list(model.parameters()), lambda: model(torch.randn(2, 3, requires_grad=True)).square().sum())


@feature
def vmap_and_grad() -> None:
    weight = torch.randn(3)

    def loss(x: Tensor) -> Tensor:
        return (x * weight).sin().sum()

    for _ in range(2):
        xs = torch.randn(4, 3)
        torch.func.vmap(torch.func.grad(loss))(xs).sum()
        torch.func.jacrev(lambda x: x.square() * 2)(xs[0]).sum()
        torch.func.jvp(loss, (xs[0],), (torch.ones(3),))[1].sum()
        torch.func.hessian(loss)(xs[1]).sum()


@feature
def per_sample_gradients() -> None:
    model = nn.Linear(3, 2)
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(given: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(model, given, (x,)).square().sum()

    for _ in range(2):
        torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, torch.randn(4, 3))


@feature
def forward_mode() -> None:
    model = nn.Linear(3, 2)
    for _ in range(2):
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(torch.randn(4, 3), torch.ones(4, 3))
            torch.autograd.forward_ad.unpack_dual(model(dual)).tangent.sum()


@feature
def numbers_go_to_python_and_back() -> None:
    weight = nn.Parameter(torch.randn(4))

    def loss() -> Tensor:
        scale = weight.detach().abs().max().item()
        length = int(torch.randint(2, 5, ()).item())
        if bool((weight.sum() > 0).item()):
            return (weight[:length] / scale).sum()
        return (weight[:length] * scale).square().sum()

    descend([weight], loss, steps=3)


@feature
def arrays_of_numpy() -> None:
    weight = nn.Parameter(torch.randn(4))
    array = torch.arange(4.0).numpy().copy()

    def loss() -> Tensor:
        given = torch.from_numpy(array) * 2 + torch.as_tensor([1.0, 2.0, 3.0, 4.0])
        return (weight * given).sum()

    descend([weight], loss)


@feature
def two_optimizers_one_against_the_other() -> None:
    maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
    making, judging = torch.optim.Adam(maker.parameters()), torch.optim.RMSprop(judge.parameters())
    for _ in range(2):
        judging.zero_grad()
        (judge(maker(torch.randn(4, 2)).detach()).mean() - judge(torch.randn(4, 3)).mean()).backward()
        judging.step()
        making.zero_grad()
        (-judge(maker(torch.randn(4, 2))).mean()).backward()
        making.step()


@feature
def averaged_weights() -> None:
    model = nn.Linear(3, 2)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 3)).square().mean().backward()
        optimizer.step()
        averaged.update_parameters(model)


@feature
def a_loop_of_varying_length() -> None:
    cell = nn.GRUCell(3, 4)
    optimizer = torch.optim.Adam(cell.parameters())
    for length in (2, 4, 3):
        state = torch.zeros(2, 4)
        for _ in range(length):
            state = cell(torch.randn(2, 3), state)
        optimizer.zero_grad()
        state.square().sum().backward()
        optimizer.step()


@feature
def packed_sequences() -> None:
    lstm = nn.LSTM(3, 4)
    lengths = torch.tensor([4, 2, 1])

    def loss() -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(torch.randn(4, 3, 3), lengths)
        out, _ = nn.utils.rnn.pad_packed_sequence(lstm(packed)[0])
        return out.square().sum()

    descend(list(lstm.parameters()), loss)


@feature
def a_language_model() -> None:
    table, head = nn.Embedding(11, 8), nn.Linear(8, 11)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    model = nn.ModuleList([table, encoder, head])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(2):
        ids = torch.randint(0, 11, (2, 6))
        out = head(encoder(table(ids[:, :-1]), mask=mask, is_causal=True))
        loss = functional.cross_entropy(out.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@feature
def a_residual_network() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return functional.relu(x + self.norm(self.two(functional.relu(self.one(x), inplace=True))))

    model = nn.Sequential(Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    descend(
        list(model.parameters()), lambda: functional.cross_entropy(model(torch.randn(2, 3, 6, 6)), torch.ones(2).long())
    )


@feature
def grid_samples_and_warps() -> None:
    theta = nn.Parameter(torch.eye(2, 3).unsqueeze(0))
    image = torch.randn(1, 2, 5, 5)

    def loss() -> Tensor:
        grid = functional.affine_grid(theta, [1, 2, 4, 4], align_corners=False)
        return functional.grid_sample(image, grid, align_corners=False).square().sum()

    descend([theta], loss)


@feature
def short_time_fourier() -> None:
    wave = nn.Parameter(torch.randn(32))

    def loss() -> Tensor:
        spectrum = torch.stft(wave, 8, hop_length=4, window=torch.hann_window(8), return_complex=True)
        return spectrum.abs().sum() + torch.istft(spectrum, 8, hop_length=4, window=torch.hann_window(8)).sum()

    descend([wave], loss)


@feature
def special_functions() -> None:
    x = nn.Parameter(torch.rand(4) + 0.5)
    descend(
        [x],
        lambda: (
            torch.special.gammaln(x).sum()
            + torch.special.erf(x).sum()
            + torch.special.i0(x).sum()
            + torch.digamma(x).sum()
            + torch.lgamma(x).sum()
            + torch.special.logit(x / 3).sum()
            + torch.xlogy(x, x).sum()
            + torch.polygamma(1, x).sum()
        ),
    )


@feature
def foreach_by_hand() -> None:
    for _ in range(2):
        tensors = [torch.randn(3), torch.randn(2, 2)]
        torch._foreach_add_(tensors, [torch.ones(3), torch.ones(2, 2)], alpha=0.5)
        torch._foreach_mul_(tensors, [2.0, 3.0])
        torch._foreach_sqrt(torch._foreach_abs(tensors))
        torch._foreach_norm(tensors)
        torch._foreach_lerp_(tensors, [torch.zeros(3), torch.zeros(2, 2)], 0.25)
        torch._foreach_zero_(tensors)


@feature
def upsampled_by_hand() -> None:
    image = nn.Parameter(torch.randn(1, 1, 4, 4))

    def loss() -> Tensor:
        large = functional.interpolate(image, scale_factor=(1.5, 2.0), mode="bilinear", recompute_scale_factor=True)
        small = functional.interpolate(image, size=3, mode="area") + functional.interpolate(
            image, size=3, mode="bilinear", antialias=True
        )
        return large.square().sum() + small.square().sum()

    descend([image], loss)
