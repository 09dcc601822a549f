"""What the wire says of mappings and vouchers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kernel.errors import Malformed

Chart = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")
]
AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}(:[0-9a-f]{32})?$")]


class MappingEntry(BaseModel):
    """One account of ours, or all of a kind, and the account in the owner's chart."""

    model_config = ConfigDict(extra="forbid")

    account: AccountName = Field(description="`payable` for all of a kind, `payable:<32 digits>` for one.")
    code: Chart
    name: Chart


class MappingChange(BaseModel):
    """The whole mapping, as it shall be."""

    model_config = ConfigDict(extra="forbid")

    base_version: int = Field(ge=0, description="The version that was changed; 0 where there is none yet.")
    entries: list[MappingEntry] = Field(max_length=2000)
    note: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")

    def checked(self) -> list[MappingEntry]:
        """The entries; Malformed where one account is mapped twice."""
        accounts = [entry.account for entry in self.entries]
        twice = sorted({account for account in accounts if accounts.count(account) > 1})
        if twice:
            raise Malformed(reason=f"mapped twice: {', '.join(twice)}", field="entries")
        return self.entries


class KnownAccount(BaseModel):
    """A kind of account of ours."""

    account: str
    name_zh: str
    name_en: str


class MappingView(BaseModel):
    """A mapping as it is in force."""

    kind: str
    owner: str
    version: int
    entries: list[MappingEntry]
    note: str
    changed_by: str | None
    changed_at: str | None
    known: list[KnownAccount] = Field(description="The kinds of account that there are.")
    holes: list[str] = Field(description="Accounts that moved in the period asked about and have no entry.")


class MappingVersionView(BaseModel):
    """One change of a mapping."""

    version: int
    entries: list[MappingEntry]
    note: str
    changed_by: str
    changed_at: str
