"""Types that every section of a configuration uses: names, languages, pairs, and a model that refuses unknown keys."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

import regex
from pydantic import AfterValidator, Field, model_validator

from dragoman.languages import named, named_pair
from dragoman.strict import Strict as Strict


def _check_folder(path: str) -> str:
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or ".." in parts or not parts:
        raise ValueError(f"must be a folder below the working directory, not {path!r}")
    if any(part.startswith("-") for part in parts) or not regex.fullmatch(r"[\p{L}\p{M}\p{N}_ ./@+,=~-]+", path):
        raise ValueError(
            f"a folder's name may not begin with '-' and holds only letters, digits, blanks and _./@+,=~-, not {path!r}"
        )
    return path


Language = Annotated[str, AfterValidator(named)]
Pair = Annotated[str, AfterValidator(named_pair)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*$", max_length=60)]
Share = Annotated[float, Field(ge=0, le=1)]
Folder = Annotated[str, AfterValidator(_check_folder)]


def _check_seeds(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds) or min(seeds, default=0) < 0 or max(seeds, default=0) >= 2**32:
        raise ValueError(f"seeds are different whole numbers from 0 up and below 2**32, not {seeds}")
    return seeds


Seeds = Annotated[list[int], Field(min_length=1), AfterValidator(_check_seeds)]


class Texts(Strict):
    """Text of several languages: give either `files` or `corpus`."""

    files: dict[Language, str] = {}
    """Text file of each language, one sentence per line."""
    corpus: Name | None = None
    """Instead of files: a corpus whose training text is used."""

    @model_validator(mode="after")
    def _one_source(self) -> Texts:
        if bool(self.files) == (self.corpus is not None):
            raise ValueError("give either `files` or `corpus`")
        return self
