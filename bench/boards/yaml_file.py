"""YAML files that remember their lines: read, check against a model, say file, line and key of what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from bench.errors import ConfigurationError

Key = tuple[int | str, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed file: plain Python values in ``data``, and the line (from 1) of every key and list item in ``lines``."""

    path: Path
    data: Any
    lines: dict[Key, int] = field(default_factory=dict)

    def line(self, key: Key) -> int:
        """Return the line of ``key``, or of the innermost block around it that is there."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)

    def error(self, key: Key, message: str, hint: str = "", detail: str = "") -> ConfigurationError:
        """Build the error for what is at ``key``."""
        return ConfigurationError(f"{self.path}:{self.line(key)}: {message}", hint=hint, detail=detail)

    def parse(self, model: type[Model]) -> Model:
        """Return the file as ``model``. Raises ConfigurationError: the first complaint, the others in its detail."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            # A mistyped key is also a missing one; it is the better explanation, so it comes first.
            found = sorted(
                self._complaints(model, error), key=lambda one: (not one[1].startswith("unknown key"), one[0])
            )
            more = [f"{self.path}:{line}: {text}" for line, text, _ in found[1:]]
            line, text, hint = found[0]
            raise ConfigurationError(f"{self.path}:{line}: {text}", hint=hint, detail="\n".join(more)) from None

    def _complaints(self, model: type[BaseModel], error: ValidationError) -> list[tuple[int, str, str]]:
        """Return (line, text, hint) of every complaint."""
        found = []
        for complaint in error.errors(include_url=False):
            key: Key = tuple(part for part in complaint["loc"] if part != "[key]")
            name = _dotted(key)
            value = complaint["input"]
            match complaint["type"]:
                case "missing":
                    text, hint = f"{name} is missing", f"add {key[-1]} to {_dotted(key[:-1]) or 'the file'}"
                case "extra_forbidden":
                    known = _known_keys(model, key[:-1])
                    near = get_close_matches(str(key[-1]), known, n=1)
                    guess = f", did you mean {near[0]}?" if near else ""
                    text, hint = f"unknown key {name}{guess}", f"allowed here: {', '.join(known)}"
                case "value_error":
                    reason = str(complaint["ctx"]["error"])
                    if isinstance(value, dict | BaseModel):
                        # What is wrong with a block as a whole is shown at the key that the reason begins with, if any.
                        first_word, _, rest = reason.partition(" ")
                        inner = (*key, *_parse_dotted(first_word.rstrip(":")))
                        if inner in self.lines:
                            key, name, reason = inner, _dotted(inner), rest
                    shown = "" if isinstance(value, dict | list | BaseModel) else f" = {value!r}"
                    text, hint = f"{name}{shown}: {reason}" if name else reason, ""
                case "string_type":
                    text, hint = f"{name} = {_short(value)} is not a text", "put it in quotes"
                case _:
                    text, hint = f"{name or 'the file'} = {_short(value)}: {complaint['msg'].lower()}", ""
            found.append((self.line(key), text, hint))
        return found


def read(path: Path) -> YamlFile:
    """Return the YAML file at ``path``; its top level must be a mapping. Raises ConfigurationError."""
    text = _read_text(path)
    try:
        return _file(path, YAML(typ="rt").load(text))
    except RecursionError:
        raise ConfigurationError(
            f"{path}:1: nested too deeply, or an alias within itself", hint="write it flat, without & and *"
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = (error.problem or error.context or "syntax error").split("\n")[0]
        raise ConfigurationError(
            f"{path}:{line}: not YAML: {problem}", hint="mind indentation, colons and quotes"
        ) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(
            f"{path}:{line}: not YAML: {error.reason}", hint="remove the control character"
        ) from None
    except YAMLError as error:
        raise ConfigurationError(
            f"{path}:1: not YAML: {str(error).splitlines()[0]}", hint="mind indentation, colons and quotes"
        ) from None


def _file(path: Path, tree: Any) -> YamlFile:
    if tree is None:
        raise ConfigurationError(f"{path}:1: the file is empty", hint="fill it in, or remove it")
    if not isinstance(tree, CommentedMap):
        raise ConfigurationError(
            f"{path}:1: expected keys and values, found {_short(tree)}", hint="write key: value lines"
        )
    lines: dict[Key, int] = {}
    return YamlFile(path, _plain(tree, (), lines, path), lines)


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}:{line}: not UTF-8: byte 0x{raw[error.start]:02X}", hint="save the file in UTF-8"
        ) from None


def _plain(node: Any, key: Key, lines: dict[Key, int], path: Path) -> Any:
    """Return ``node`` without ruamel's types, noting lines on the way."""
    if isinstance(node, CommentedMap):
        mapping: dict[str, Any] = {}
        for name, value in node.items():
            lines[(*key, str(name))] = node.lc.key(name)[0] + 1 if name in (node.lc.data or {}) else lines.get(key, 1)
            if not isinstance(name, str):
                where = lines[(*key, str(name))]
                raise ConfigurationError(f"{path}:{where}: the key {name!r} is not a text", hint="put it in quotes")
            mapping[name] = _plain(value, (*key, name), lines, path)
        return mapping
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            lines[(*key, index)] = node.lc.item(index)[0] + 1
        return [_plain(value, (*key, index), lines, path) for index, value in enumerate(node)]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if node is None:
        return None
    raise ConfigurationError(
        f"{path}:{lines.get(key, 1)}: {_dotted(key)} is a {type(node).__name__}",
        hint="only texts, numbers and true/false",
    )


def _known_keys(model: type[BaseModel], key: Key) -> list[str]:
    """Return the keys that ``model`` allows in the block at ``key``."""
    for part in key:
        if isinstance(part, str) and part in model.model_fields:
            inner = _inner_model(model.model_fields[part].annotation)
            if inner is None:
                return []
            model = inner
    return [info.alias or name for name, info in model.model_fields.items()]


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside ``list[Model]``, ``dict[str, Model]``, ``Model | None`` ..."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _inner_model(part))), None)


def _dotted(key: Key) -> str:
    """Return ``("a", 0, "b")`` as ``a[0].b``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def _parse_dotted(text: str) -> Key:
    """Return ``a[0].b`` as ``("a", 0, "b")``."""
    parts = text.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
