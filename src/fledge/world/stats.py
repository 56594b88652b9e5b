"""What the world's text holds, and how well a reader who knows everything can predict it: the floor of every loss curve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fledge.world.facts import World
from fledge.world.grammar import TAGS
from fledge.world.text import BOTH, KINDS, Document, documents


@dataclass
class Share:
    """Bytes of UTF-8 and bits of some part of a text. `floor` is bits per byte."""

    num_bytes: int = 0
    bits: float = 0.0
    count: int = 0

    def add(self, num_bytes: int, bits: float) -> None:
        self.num_bytes += num_bytes
        self.bits += bits
        self.count += 1

    @property
    def floor(self) -> float:
        return self.bits / max(self.num_bytes, 1)


@dataclass
class Floor:
    """The entropy floor of a stretch of text: all of it, and by language, kind of text and tag.

    The floor of the whole counts the end of every document, whose bits lie on its last span. It is exact for these documents.
    """

    total: Share = field(default_factory=Share)
    languages: dict[str, Share] = field(default_factory=lambda: {lang: Share() for lang in ("zh", "en", BOTH)})
    kinds: dict[str, Share] = field(default_factory=lambda: {kind: Share() for kind in KINDS})
    tags: dict[str, Share] = field(default_factory=lambda: {tag: Share() for tag in TAGS})

    def add(self, document: Document) -> None:
        size = len(document.text.encode("utf-8"))
        for share in (self.total, self.languages[document.lang], self.kinds[document.kind]):
            share.add(size, document.bits)
        for span in document.spans:
            self.tags[span.tag].add(len(document.text[span.start : span.end].encode("utf-8")), span.bits)

    def as_dict(self) -> dict:
        def row(share: Share) -> dict:
            part = share.num_bytes / max(self.total.num_bytes, 1)
            return {
                "count": share.count,
                "bytes": share.num_bytes,
                "share": round(part, 4),
                "bpb": round(share.floor, 4),
            }

        groups = {"languages": self.languages, "kinds": self.kinds, "tags": self.tags}
        return {"total": row(self.total)} | {
            name: {k: row(s) for k, s in group.items()} for name, group in groups.items()
        }


def floor(found: Iterable[Document]) -> Floor:
    """The floor of these documents."""
    result = Floor()
    for document in found:
        result.add(document)
    return result


def stats(world: World, *, num_documents: int = 5000, seed: int = 0, split: str = "train") -> dict:
    """Facts by kind and how they are held out; the floor over the first documents of a split. JSON-able."""
    facts = world.facts
    kinds = {kind: len(world.of_kind(kind)) for kind in sorted({thing.kind for thing in world.entities.values()})}
    return {
        "size": world.size,
        "seed": world.seed,
        "entities": kinds,
        "facts": {
            "total": len(facts),
            "rare": sum(fact.rare for fact in facts),
            "never asked": sum(not fact.asked for fact in facts),
            "in one language": sum(len(fact.languages) == 1 for fact in facts),
            "news": len(world.news),
            "most to least told": round(max(f.weight for f in facts) / min(f.weight for f in facts), 1),
        },
        "floor": floor(documents(world, num_documents, seed=seed, split=split)).as_dict(),
    }
