"""What an inference costs: floating-point operations, counted by formula.

Every token that is fed costs two operations per weight of the model's matrices; every key that a query looks at costs
four per feature and layer (score and weighted sum); every prediction costs the output matrix. Embeddings, norms and
activations are not counted, as is the custom (and what torch's counter does).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel


@dataclass
class Work:
    """What one translation took, whatever else was in its batch."""

    tokens: int = 0
    """Tokens fed, again and again where they were fed again."""
    pairs: int = 0
    """(query, key) pairs in which the query may see the key."""
    predictions: int = 0
    """Times that next-token logits were asked for."""
    looks: int = 0
    """(query, key) pairs whose attention weight in one layer was computed for the policy, besides the pass."""
    feeds: list[tuple[int, int]] = field(default_factory=list)
    """The arguments of every `feed`: tokens, and keys before them."""

    def feed(self, tokens: int, before: int, predictions: int = 0) -> None:
        """`tokens` queries in a row, each of which sees `before` keys, itself and those of the row before it."""
        self.tokens += tokens
        self.pairs += tokens * before + tokens * (tokens + 1) // 2
        self.predictions += predictions
        self.feeds.append((tokens, before))

    def near(self, window: int) -> int:
        """Pairs as above, where a query sees the `window` keys up to its own at most."""
        pairs = 0
        for tokens, before in self.feeds:
            early = min(tokens, max(0, window - before))  # queries that have no more keys than that
            pairs += early * before + early * (early + 1) // 2 + (tokens - early) * window
        return pairs


class Price:
    """Operations of a model's parts."""

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
