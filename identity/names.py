"""Chinese names in the order people expect: by pinyin, stored beside the name, because the database's order is by code."""

from pypinyin import lazy_pinyin


def pinyin_of(name: str) -> str:
    """`张三` is `zhang san`; other scripts stay as they are, in lower case."""
    return " ".join(lazy_pinyin(name)).lower()


def initials_of(name: str) -> str:
    """`张三` is `zs`: what somebody types who looks for him."""
    return "".join(syllable[0] for part in lazy_pinyin(name) for syllable in part.split() if syllable).lower()
