"""Libraries that train: Hugging Face transformers and PyTorch Lightning, with random weights and made-up data."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from graphreel.graph import Graph, Phase, walk
from graphreel.tracefile import Status
from tests.torch_runs import nodes, recording

HERE = Path(__file__).name
IDS = torch.arange(12).view(2, 6) % 50


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )  # fmt: skip
    return BertForSequenceClassification(config)


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes: dict[str, Any] = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16}
    return GPT2LMHeadModel(GPT2Config(vocab_size=50, bos_token_id=0, eos_token_id=0, **sizes))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def t5() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
    return T5ForConditionalGeneration(config)


Model = Callable[[], nn.Module]
MODELS: dict[str, tuple[Model, str, str]] = {
    "BERT": (bert, "BertForSequenceClassification/bert/encoder/layer/1/attention/self/query", "aten.addmm.default"),
    "GPT-2": (gpt2, "GPT2LMHeadModel/transformer/h/1/attn/c_attn", "aten.addmm.default"),
    "Llama": (llama, "LlamaForCausalLM/model/layers/1/self_attn/q_proj", "aten.mm.default"),
    "T5": (t5, "T5ForConditionalGeneration/decoder/block/1/layer/1/EncDecAttention/q", "aten.mm.default"),
}


def losses_of(make: Model) -> list[float]:
    torch.manual_seed(0)
    model: Any = make()
    optimizer = torch.optim.AdamW(model.parameters())
    labels = torch.tensor([0, 1]) if make is bert else IDS
    losses = []
    for _ in range(2):
        loss = model(input_ids=IDS, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def files(graph: Graph) -> set[str]:
    return {Path(each.source.file).name for each in walk(graph) if each.source is not None}


@pytest.mark.filterwarnings("ignore")  # transformers imports what others have deprecated
@pytest.mark.parametrize("name", MODELS)
def test_works_with_transformers(name: str) -> None:
    pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    make, scope, op = MODELS[name]
    plain = losses_of(make)
    with recording() as (kept, _):
        assert losses_of(make) == plain
    assert len(kept.records) == 2
    graph = kept.graph(1)
    assert nodes(graph, op, f"forward/{scope}")
    taken = {value.name for each in walk(graph) for value in each.inputs}
    assert f"{'.'.join(scope.split('/')[1:])}.weight" in taken
    assert files(graph) == {HERE} or files(graph) == {HERE, "__main__.py"}
    assert not kept.records[1].findings


class Tokens(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": IDS[index % 2], "labels": IDS[index % 2]}


@pytest.mark.filterwarnings("ignore")  # the same
def test_works_with_the_trainer_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs transformers: pip install transformers")
    pytest.importorskip("accelerate", reason="needs accelerate: pip install accelerate")
    from transformers import Trainer, TrainingArguments

    def run() -> float:
        torch.manual_seed(0)
        arguments = TrainingArguments(
            str(tmp_path), per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=2, use_cpu=True,
            report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        return float(Trainer(gpt2(), arguments, train_dataset=Tokens()).train().training_loss)

    plain = run()
    with recording() as (kept, _):
        assert run() == plain
    # A step takes two batches.
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 2
    first_layers = [
        each.scope.path for each in nodes(kept.graph(1), "aten.addmm.default") if "h/0/attn/c_attn" in each.scope.path
    ]
    assert len(first_layers) == 2
    assert files(kept.graph(1)) <= {HERE, "__main__.py"}


@pytest.mark.filterwarnings("ignore")  # Lightning warns of few workers, of missing loggers and the like
def test_works_with_lightning(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning", reason="needs lightning: pip install lightning")
    base: Any = lightning.LightningModule

    class Fit(base):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return self.net(batch[0]).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    def run() -> list[Tensor]:
        torch.manual_seed(0)
        model = Fit()
        trainer = lightning.Trainer(
            max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(model, DataLoader(TensorDataset(torch.randn(4, 4)), batch_size=2))
        return [parameter.detach().clone() for parameter in model.parameters()]

    plain = run()
    with warnings.catch_warnings(), recording() as (kept, _):
        recorded = run()
    assert all(torch.equal(one, other) for one, other in zip(plain, recorded, strict=True))
    assert len(kept.records) == 4
    graph = kept.graph(2)
    phases = [each.phase for each in walk(graph)]
    assert {Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER} <= set(phases)
    layer = nodes(graph, "aten.addmm.default")[0]
    assert layer.inputs[0].name.endswith("0.bias")
    assert layer.source is not None
    assert layer.source.function.endswith("training_step")
    assert files(graph) <= {HERE, "__main__.py"}
