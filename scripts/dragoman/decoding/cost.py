"""Floating-point operations of decoding, by formula.

    operations = 2 W tokens + 4 L H D pairs + 2 O predictions + 2 H D looks

with W the weights of all matrices except the output matrix, O those of the output matrix, L layers, H heads of width D,
and pairs, predictions and looks as in `Work`. A layer with a sliding window counts only the pairs within its window.
Embeddings, norms and activations are not counted, as in torch's counter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel


@dataclass
class Work:
    """Work for one translation, independent of the other rows of its batch."""

    tokens: int = 0
    """Tokens fed; a token that is fed again counts again."""
    pairs: int = 0
    """(query, key) pairs in which the query may see the key."""
    predictions: int = 0
    """Number of next-token logits that were computed."""
    looks: int = 0
    """(query, key) pairs whose attention weight in one layer was computed a second time, for the policy."""
    feeds: list[tuple[int, int]] = field(default_factory=list)
    """(tokens, before) of every `feed`."""

    def feed(self, tokens: int, before: int, predictions: int = 0) -> None:
        """Count one pass.

        Args:
            tokens: number of queries. Each sees the `before` keys, itself, and the queries before it in this pass.
            before: number of keys before the pass.
            predictions: number of predictions.
        """
        self.tokens += tokens
        self.pairs += tokens * before + tokens * (tokens + 1) // 2
        self.predictions += predictions
        self.feeds.append((tokens, before))

    def near(self, window: int) -> int:
        """The number of pairs if a query sees only the last `window` keys, including its own (sliding windows)."""
        pairs = 0
        for tokens, before in self.feeds:
            early = min(tokens, max(0, window - before))  # queries with at most `window` keys
            pairs += early * before + early * (early + 1) // 2 + (tokens - early) * window
        return pairs


class Price:
    """Operations per unit of work for a model."""

    def __init__(self, model: PreTrainedModel) -> None:
        head = model.get_output_embeddings()
        matrices = [part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear) and part is not head]
        self.token = 2 * sum(matrices)
        config = model.config.get_text_config()
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.layer = 4 * config.num_attention_heads * width
        kinds = getattr(config, "layer_types", None) or [""] * config.num_hidden_layers
        self.window = getattr(config, "sliding_window", None)
        self.sliding = 0 if self.window is None else sum(kind in ("", "sliding_attention") for kind in kinds)
        self.pair = self.layer * (config.num_hidden_layers - self.sliding)
        self.prediction = 2 * head.weight.numel()

    def gflops(self, work: Work) -> float:
        """10^9 floating-point operations, to six significant digits."""
        total = self.token * work.tokens + self.pair * work.pairs + self.prediction * work.predictions
        total += self.layer // 2 * work.looks  # scores alone, without the weighted sum of the values
        if self.window is not None:
            total += self.layer * self.sliding * work.near(self.window)
        return float(f"{total / 1e9:.6g}")
