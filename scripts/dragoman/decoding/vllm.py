"""Offline decoding with vLLM (arXiv 2309.06180) on a GPU, many times faster than decoding batch by batch.

Inputs and outputs are token ids, so prompts, priors and the ends of greedy answers are ours; arithmetic and beam search
are vLLM's. It computes in bfloat16, so a sentence's words may depend on the rest of the batch. Its beams continue to
the limit of new tokens, and end at the tokens of the tokenizer or generation_config.json. Their log-probabilities are
divided by a length that includes the prompt in older releases.

vLLM is not in our environments, since its releases pin their own versions (0.33.0: torch 2.14.0, transformers below
5.21). To use it, install our other packages next to it. This file was written for the interface of 0.33.0, and was
tested with a replacement that has the same classes, but not with the library itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import vllm
from vllm.sampling_params import BeamSearchParams

from dragoman.config import OfflineDecoder


class Engine:
    """A model that vLLM runs."""

    def __init__(self, folder: Path, options: OfflineDecoder, ends: Sequence[int]) -> None:
        """
        Args:
            folder: a checkpoint with its tokenizer.
            options: beam, length penalty and the limit of new tokens.
            ends: tokens that end an answer; in a beam search, only the end-of-sequence token ends it.
        """
        self.model = vllm.LLM(
            model=str(folder),
            dtype="bfloat16",
            # without a checkpoint's own settings, which may have penalties, and ends that the tokenizer does not have
            generation_config="vllm",
            max_logprobs=2 * options.beam,  # the number that its beam search needs at every step
        )
        if options.beam == 1:
            self.how = vllm.SamplingParams(
                temperature=0.0,
                max_tokens=options.max_new_tokens,
                ignore_eos=True,  # it is among `ends`
                stop_token_ids=[*ends],
                detokenize=False,
            )
        else:
            self.how = BeamSearchParams(
                beam_width=options.beam, max_tokens=options.max_new_tokens, length_penalty=options.length_penalty
            )

    def continuations(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """[prompts] Token ids that the model writes after the prompt, including the token that ends the answer."""
        given = [{"prompt_token_ids": [*ids]} for ids in prompts]
        if isinstance(self.how, BeamSearchParams):
            outputs = self.model.beam_search(given, self.how)
            # a beam's tokens begin with the prompt
            return [[*output.sequences[0].tokens[len(ids) :]] for output, ids in zip(outputs, prompts, strict=True)]
        return [[*output.outputs[0].token_ids] for output in self.model.generate(given, self.how, use_tqdm=False)]
