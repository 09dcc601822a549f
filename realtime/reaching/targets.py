"""Whom to reach, and in which words."""

from dataclasses import dataclass
from uuid import UUID

from realtime.reaching.kinds import Kind

DeliveryId = UUID


@dataclass(frozen=True, slots=True)
class Target:
    """Exactly one of: a person (all their own ways), a team (the robots of its group), a region (the robots of the whole of it),
    or one channel. `kinds` keeps to some ways only; none named is all."""

    person_id: UUID | None = None
    team_id: UUID | None = None
    region_id: UUID | None = None
    channel_id: UUID | None = None
    kinds: frozenset[Kind] | None = None

    def __post_init__(self) -> None:
        named = [one for one in (self.person_id, self.team_id, self.region_id, self.channel_id) if one is not None]
        if len(named) != 1:
            raise ValueError("a target is one person, one team, one region or one channel")


@dataclass(frozen=True, slots=True)
class Words:
    """What is said, in both languages: a person hears theirs, a group Chinese. `link` is a page of ours (`/desk`)."""

    title_zh: str
    title_en: str
    body_zh: str
    body_en: str
    link: str | None = None

    def title(self, language: str) -> str:
        return self.title_en if language == "en" else self.title_zh

    def body(self, language: str) -> str:
        return self.body_en if language == "en" else self.body_zh
