"""Kaleido (Value Kaleidoscope, Sorensen et al., AAAI 2024): a T5 by transformers that knows values and nothing else.

    "[Valence]:\\tSituation: Biking\\tValue: Health" ──the model's own template──> encoder ──decoder──> "Supports"

It reads one user message in the form of its model card, with the task in front: Generate, Relevance, Valence or
Explanation. Where the checkpoint's configuration has templates of its own (``task_specific_params``), the message is
put into these. Any other message is refused: no chat, no ask. Texts are decoded together, a step at a time, each with
a sampler of its own, so that a seed gives the same text whatever stands beside it.

Nothing is downloaded. Failures: without PyTorch and transformers `Unsupported`; nothing there `NotFound`; another kind
of checkpoint `InvalidInput`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.engine.checkpoint_loading import loading, torch_for
from pluralism_local.engine.sampling import Sampler
from pluralism_local.errors import Cancelled, ContextOverflow, EngineFailure, Unsupported
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Finish,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDelta,
    TextDone,
    TextStarted,
    Usage,
)

BACKEND = "kaleido"

TOGETHER = 16
"""Texts that are decoded, or prompts that are weighed, in one pass."""

_MESSAGE = re.compile(
    r"\[(?P<task>Generate|Relevance|Valence|Explanation)\]:\tSituation: (?P<situation>.*?)"
    r"(?:\t(?P<kind>Value|Right|Duty): (?P<name>[^\t]*))?",
    re.DOTALL,
)
_TASKS = {
    "Generate": "generate",
    "Relevance": "relevance",
    "Valence": "valence",
    "Explanation": "explanation",
}
_LONGEST = 4096
"""Tokens of a prompt where the tokenizer names no length of its own."""


class KaleidoEngine(LanguageModel):
    """A `LanguageModel` for `plocal values` alone.

    Args:
        reference: a folder that transformers saved, or a Hub id (also ``hf:user/repo``) in the Hub's cache.

    Raises:
        Unsupported: PyTorch or transformers are not installed. NotFound: nothing that can be loaded is there.
        InvalidInput: a checkpoint that is no encoder with a decoder.
    """

    def __init__(self, reference: str) -> None:
        self._reference = reference.removeprefix("hf:")
        self._torch = torch_for(self._reference, "Kaleido", "an LLM that follows instructions")
        with loading(self._reference, "model", "Kaleido, an encoder with a decoder"):
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

            where = {
                "pretrained_model_name_or_path": self._reference,
                "local_files_only": True,
                "trust_remote_code": False,
            }
            self._tokenizer: Any = AutoTokenizer.from_pretrained(**where)
            self._model: Any = AutoModelForSeq2SeqLM.from_pretrained(**where, dtype=self._torch.float32)
        self._model.to("cuda" if self._torch.cuda.is_available() else "cpu").eval()
        self._longest = min(int(self._tokenizer.model_max_length), _LONGEST)
        self._closed = False

    @classmethod
    def from_spec(cls, spec: str) -> Self:
        """From what follows ``kaleido:``."""
        return cls(spec)

    @property
    def info(self) -> ModelInfo:
        """Id ``kaleido:REFERENCE``."""
        return ModelInfo(f"kaleido:{self._reference}", BACKEND, context=self._longest)

    @property
    def capabilities(self) -> Capabilities:
        """Exact probabilities, many together, and no grammars."""
        return Capabilities(adapters=False, distribution="exact", batched=True, counts_tokens=True)

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """As the protocol says; each text comes in one piece when it is done."""
        prompts = [self._prompt(request.messages, request.adapter) for request in requests]
        for begin in range(0, len(requests), TOGETHER):
            batch = slice(begin, begin + TOGETHER)
            yield from self._written(begin, prompts[batch], requests[batch], should_stop)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """As the protocol says: the probability of each option's tokens, one after the other."""
        prompts = [self._prompt(request.messages, request.adapter) for request in requests]
        distributions = []
        for prompt, request in zip(prompts, requests, strict=True):
            if should_stop():
                raise Cancelled
            distributions.append(self._weighed(prompt, request.options))
        return distributions

    def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int | None:
        """Length of the prompt as the model reads it."""
        return len(self._prompt(tuple(messages), adapter))

    def forget(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Let the weights go."""
        self._model, self._closed = None, True

    def _prompt(self, messages: tuple[Message, ...], adapter: AdapterRef | None) -> list[int]:
        """The token ids of the one message.

        Raises:
            Unsupported: it is no message of Kaleido's. ContextOverflow: it is too long. EngineFailure: after `close`.
        """
        if self._closed:
            raise EngineFailure("This model has been closed.")
        match = _MESSAGE.fullmatch(messages[-1].content) if len(messages) == 1 else None
        if match is None or adapter is not None:
            raise Unsupported(
                "Kaleido tells values, rights and duties of a situation, and answers nothing else.",
                "Use it with plocal values, and another model here.",
            )
        ids: list[int] = self._tokenizer(self._templated(match), verbose=False)["input_ids"]
        if len(ids) > self._longest:
            raise ContextOverflow(
                f"The prompt needs {len(ids):,} tokens; Kaleido reads {self._longest:,}.",
                "Shorten the situation.",
                needed=len(ids),
                available=self._longest,
            )
        return ids

    def _templated(self, message: re.Match[str]) -> str:
        """In the checkpoint's own template where it has one, as Kaleido's code fills it; else as it stands."""
        tasks = getattr(self._model.config, "task_specific_params", None) or {}
        own = tasks.get(_TASKS[message["task"]])
        if not isinstance(own, Mapping) or not isinstance(own.get("template"), str):
            return message[0]
        # the arguments come in one order: what is judged, the kind, the name
        fields = (message["situation"], message["kind"] or "", message["name"] or "")
        by_argument = dict(zip(own.get("args", ()), fields, strict=False))
        if not by_argument:
            return message[0]
        anywhere = re.compile("|".join(map(re.escape, sorted(by_argument, key=len, reverse=True))))
        return anywhere.sub(lambda argument: by_argument[argument[0]], own["template"])

    def _encoded(self, prompts: Sequence[list[int]]) -> tuple[Any, Any]:
        """The encoder's output and the mask of these prompts."""
        padded = self._tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt", verbose=False)
        padded = padded.to(self._model.device)
        return self._model.get_encoder()(**padded), padded["attention_mask"]

    def _written(
        self, begin: int, prompts: Sequence[list[int]], requests: Sequence[Request], should_stop: ShouldStop
    ) -> Iterator[EngineEvent]:
        started, torch, config = time.perf_counter(), self._torch, self._model.config
        samplers = [Sampler(request.sampling) for request in requests]
        tokens: list[list[int]] = [[] for _ in requests]
        ends: dict[int, Finish] = {}
        for place, prompt in enumerate(prompts):
            yield TextStarted(begin + place, len(prompt), 0)
        with torch.inference_mode():
            encoder, mask = self._encoded(prompts)
            last = torch.full((len(prompts), 1), config.decoder_start_token_id, device=self._model.device)
            cache = None
            while len(ends) < len(requests):
                if should_stop():
                    ends |= {place: "cancelled" for place in range(len(requests)) if place not in ends}
                    break
                step = self._model(
                    encoder_outputs=encoder,
                    attention_mask=mask,
                    decoder_input_ids=last,
                    cache=cache,
                    use_cache=True,
                )
                cache, logits = step.cache, step.logits[:, -1].float().cpu().numpy()
                for place, request in enumerate(requests):
                    if place in ends:
                        continue
                    token = samplers[place].draw(logits[place])
                    if token is None or token == config.eos_token_id:
                        ends[place] = "stop"
                        continue
                    tokens[place].append(token)
                    if len(tokens[place]) >= request.sampling.max_tokens:
                        ends[place] = "length"
                newest = [[row[-1] if row else config.eos_token_id] for row in tokens]
                last = torch.tensor(newest, device=self._model.device)
        for place, row in enumerate(tokens):
            text = self._tokenizer.decode(row, skip_special_tokens=True).strip()
            if text:
                yield TextDelta(begin + place, text)
            usage = Usage(len(prompts[place]), 0, len(row))
            yield TextDone(begin + place, Completion(text, ends[place], usage, time.perf_counter() - started))

    def _weighed(self, prompt: list[int], options: tuple[str, ...]) -> OptionDistribution:
        torch, config = self._torch, self._model.config
        mass = []
        with torch.inference_mode():
            encoder, mask = self._encoded([prompt])
            for option in options:
                ids = self._tokenizer(option, add_special_tokens=False, verbose=False)["input_ids"]
                decoded = torch.tensor(
                    [[config.decoder_start_token_id, *ids[:-1]]], device=self._model.device
                )
                logits = self._model(
                    encoder_outputs=encoder, attention_mask=mask, decoder_input_ids=decoded
                ).logits[0]
                log_p = logits.double().log_softmax(-1)
                mass.append(float(log_p[range(len(ids)), ids].sum().exp()))
        assigned = sum(mass)
        if assigned != assigned:
            raise EngineFailure(f"{self._reference} computes no probabilities, only NaN.", "Fetch it again.")
        even = 1 / len(options)
        return OptionDistribution(
            options=options,
            p=tuple(value / assigned if assigned > 0 else even for value in mass),
            mass=tuple(mass),
            unassigned_mass=min(1.0, max(0.0, 1 - assigned)),
            bounds=tuple((value, value) for value in mass),
            method="exact" if assigned > 0 else "uniform",
        )
