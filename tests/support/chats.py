"""Chat templates of model families, and what they are asked to render."""

from __future__ import annotations

from dragoman.config import Prompt

ASKED = [
    {"role": "instruction", "text": "Translate from {source_language} to {target_language}:"},
    {"role": "source", "text": " {source}"},
    {"role": "target", "text": "{target}"},
]
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# Gemma's: BOS in the template, other names of roles, trimmed messages, the system message inside the user's
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\\n\\n' %}{% set "
    "rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' + (first if loop.first "
    "else '') }}{{ message['content'] | trim }}{{ '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<start_of_turn>model\\n' }}{% endif %}"
)

# Llama 3's: a header for each role, trimmed messages, and today's date unless one is given
LLAMA3 = (
    "{{ bos_token }}{% if not date_string is defined %}{% if strftime_now is defined %}{% set date_string = "
    "strftime_now('%d %b %Y') %}{% else %}{% set date_string = '26 Jul 2024' %}{% endif %}{% endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n<|eot_id|>' }}"
    "{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
    "message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)

# Qwen3's: an answer is preceded by an empty thought, which a request holds only where thinking is off
QWEN3 = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}{% if message.role == 'assistant' %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ message.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is defined and "
    "enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)

# SmolLM3's: today's date in every system message, and an empty thought where thinking is off
SMOLLM3 = (
    "{{ '<|im_start|>system\\nToday Date: ' ~ strftime_now('%d %B %Y') ~ '\\n\\n' }}{% set thought = '<think>\\n\\n"
    "</think>\\n' if enable_thinking is defined and not enable_thinking else '' %}{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + (thought if message.role == 'assistant' else '') + "
    "message.content.lstrip('\\n') + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' + thought }}{% endif %}"
)
SPECIAL = [
    *("<bos>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<think>", "</think>", "[INST]", "[/INST]"),
]


def messages(asked: Prompt, source: str, target: str | None = None) -> list[dict[str, str]]:
    """The conversation that a prompt means, without its segments."""
    filled = "".join(segment.text for segment in asked.segments[:-1])
    for holder, text in {"{source_language}": "English", "{target_language}": "French", "{source}": source}.items():
        filled = filled.replace(holder, text)
    made = [{"role": "system", "content": asked.system}] if asked.system is not None else []
    made.append({"role": "user", "content": filled})
    return [*made, {"role": "assistant", "content": target}] if target is not None else made
