"""What the wire says of statements. The statements themselves are files."""

from pydantic import BaseModel, Field


class NamedParty(BaseModel):
    """A region, unit, canteen or person."""

    id: str
    code: str
    name_zh: str
    name_en: str


class StatementAmount(BaseModel):
    """What one account gained over the period, as its owner sees it: what they have, or are owed."""

    account: str
    gain_fen: int


class StatementFileView(BaseModel):
    """A statement that can be fetched, in each of `forms`."""

    kind: str
    region: NamedParty
    subject: NamedParty
    period: str
    final: bool = Field(description="Fixed by the period's cut-off; a draft until then.")
    amounts: list[StatementAmount]
    line_count: int = Field(description="Of the accounts in `amounts`.")
    forms: list[str]
    path: str = Field(description="`GET` it with `form=`; the signature of the line file is `form=sig`.")


class MyStatementView(BaseModel):
    """A month in which one's own accounts moved."""

    period: str
    final: bool
    forms: list[str]
    path: str
