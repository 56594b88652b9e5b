"""Values on their way between the grader and the learner's process: JSON for the structure, torch.save for the tensors.

Nothing that the learner's process sends is ever unpickled: tensors are read with `weights_only=True`.
A message is its length (8 bytes) and its body; a body is the length of the JSON (8 bytes), the JSON, the tensors.
"""

from __future__ import annotations

import io
import json
import struct
from typing import IO, Any

import torch
from torch import Tensor

from fledge.lang import Text, both

LENGTH = struct.Struct(">Q")


class NotPortable(Exception):
    """A value of a kind that does not travel, or one that is far too large; `text` names it."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


def encode(value: Any, *, limit: int | None = None) -> bytes:
    """Bytes of numbers, texts, bytes, None, tensors, and lists, tuples and dicts of them.

    Without `limit` tensors keep their strides and shared memory (arguments on their way out). With it (results
    on their way back) they are copied on their own, and more than so many bytes raise NotPortable.
    """
    tensors: list[Tensor] = []
    try:
        structure = json.dumps(_pack(value, tensors, limit)).encode("ascii")
    except RecursionError:
        raise NotPortable(both("a structure nested too deeply")) from None
    if limit is not None and len(structure) > limit:
        raise NotPortable(both("{length} bytes", length=len(structure)))
    buffer = io.BytesIO()
    if tensors:
        torch.save(tensors, buffer)
    return LENGTH.pack(len(structure)) + structure + buffer.getvalue()


def decode(body: bytes) -> Any:
    """The value of `encode`; ValueError when the bytes are not its work."""
    try:
        (length,) = LENGTH.unpack_from(body)
        start = LENGTH.size + length
        structure = json.loads(body[LENGTH.size : start])
        saved = body[start:]
        tensors = torch.load(io.BytesIO(saved), weights_only=True) if saved else []
        if any(type(tensor) is not Tensor or not _plain(tensor) for tensor in tensors):
            raise ValueError("not a plain tensor")
        return _unpack(structure, tensors)
    except Exception as error:
        raise ValueError(f"unreadable message: {error}") from None


def carried(value: Any) -> Any:
    """What `decode(encode(value, limit=…))` gives, without the bytes in between."""
    tensors: list[Tensor] = []
    return _unpack(_pack(value, tensors, 2**62), tensors)


def send(stream: IO[bytes], body: bytes) -> None:
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes], limit: int | None = None) -> bytes | None:
    """The next body; None at the end of the stream, or when it is cut short or longer than `limit`."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    if limit is not None and length > limit:
        return None
    body = stream.read(length)
    return body if len(body) == length else None


def size_of(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


def _pack(value: Any, tensors: list[Tensor], limit: int | None) -> Any:
    if isinstance(value, Tensor):
        if not _plain(value):
            raise NotPortable(
                both("a tensor on {device} with layout {layout}", device=value.device, layout=value.layout)
            )
        value = value.detach()
        if limit is not None:
            if size_of(value) + sum(map(size_of, tensors)) > limit:
                shape = list(value.shape)
                raise NotPortable(both("a tensor of shape {shape}", shape=shape))
            plain = value.as_subclass(Tensor)  # type: ignore[arg-type]
            value = plain.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    for kind in (bool, int, float, str):  # a numpy.float64 is a float, an IntEnum an int
        if isinstance(value, kind):
            return kind(value)
    if value is None:
        return None
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, dict):
        pairs = [[_pack(key, tensors, limit), _pack(item, tensors, limit)] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)):
        return {"list" if isinstance(value, list) else "tuple": [_pack(item, tensors, limit) for item in value]}
    name = f"{type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")
    raise NotPortable(both("a {name}", name=name))


def _unpack(value: Any, tensors: list[Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "bytes":
        return content.encode("latin-1")
    if kind == "dict":
        return {_unpack(key, tensors): _unpack(item, tensors) for key, item in content}
    items = [_unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
