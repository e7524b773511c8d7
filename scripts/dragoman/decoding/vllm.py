"""vLLM as what writes (arXiv 2309.06180): offline decoding on a GPU, many times faster than a batch at a time.

It is given token ids and gives token ids, so prompts, priors and what ends a greedy answer are ours; arithmetic and
beam search are its own. It computes in bfloat16, in which a sentence's neighbours may change its words. Its beams go on
to the limit of new tokens, end where the tokenizer or generation_config.json says, and their length, by which log
probabilities are divided, counts the prompt in older releases.

vLLM is no part of our environments, since its releases pin versions of their own (0.33.0: torch 2.14.0, transformers
below 5.21): where decodings run on it, install our other packages beside it. This file was written against its
interface as of 0.33.0 and tried on a stand-in with the same classes, not on the library itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import vllm
from vllm.sampling_params import BeamSearchParams

from dragoman.config import OfflineDecoder


class Engine:
    """A model in vLLM's hands."""

    def __init__(self, folder: Path, options: OfflineDecoder, ends: Sequence[int]) -> None:
        """
        Args:
            folder: a checkpoint with its tokenizer.
            options: beam, length penalty and the limit of new tokens.
            ends: tokens that end an answer; of a beam search only the end-of-sequence token does.
        """
        self.model = vllm.LLM(
            model=str(folder),
            dtype="bfloat16",
            # a checkpoint's own settings would add penalties, and ends that are not its tokenizer's
            generation_config="vllm",
            max_logprobs=2 * options.beam,  # what its beam search asks of every step
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
        """Token ids that the model writes after each of the given ids, up to and with the one that ends them."""
        given = [{"prompt_token_ids": [*ids]} for ids in prompts]
        if isinstance(self.how, BeamSearchParams):
            found = self.model.beam_search(given, self.how)
            # a beam's tokens begin with the prompt's
            return [[*output.sequences[0].tokens[len(ids) :]] for output, ids in zip(found, prompts, strict=True)]
        return [[*output.outputs[0].token_ids] for output in self.model.generate(given, self.how, use_tqdm=False)]
