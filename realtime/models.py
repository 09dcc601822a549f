"""The tables of real time. The relay alone writes the first three columns of meaning: channel, position, day."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, DateTime, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class ChannelEvent(Base):
    """An event as one channel hears it. Partitioned by `day`, the day of the relay's stamp; kept for two weeks."""

    __tablename__ = "channel_events"

    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    event_id: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(SmallInteger)
    # JSON as the relay has encoded it: replayed as it stands.
    data: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ChannelHead(Base):
    """The last position of a channel; outlives its events."""

    __tablename__ = "channel_heads"

    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)


class RelayCursor(Base):
    """Up to which row of a lane the relay has stamped."""

    __tablename__ = "relay_cursors"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)
