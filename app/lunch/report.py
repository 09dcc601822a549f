"""The page: one file with everything in it, in Chinese and English, to be kept, sent, and opened anywhere."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Final

from app.lunch.charts import Bars, Chart, Series
from app.lunch.play import Lunch
from app.lunch.summary import GOAL_P99_MS, Quantiles, Summary, told_after, yuan
from app.lunch.watch import CLIENTS

_COLOURS: Final = ("c1", "c2", "c3", "c4", "c5")
_PURSES: Final = {"cash": "现金 cash", "subsidy": "补贴 subsidy", "official": "公务 official"}


def write_report(lunch: Lunch, summary: Summary) -> str:
    """The whole page as text."""
    body = [
        _head(summary),
        _tiles(summary),
        _checks(summary),
        '<section class="charts">',
        *(chart.svg() for chart in _charts(lunch, summary)),
        "</section>",
        _books(summary),
        _foot(summary),
    ]
    return _PAGE.format(style=_STYLE, body="\n".join(body))


# ---- words and figures


def _head(summary: Summary) -> str:
    size = summary.size
    lines = [
        f"{size['visits']} 人次 visits, {size['seconds']} s, {size['holders']} 人 people, {size['terminals']} 台消费机 tills",
        f"{summary.began_at}, {summary.machine['cores']} 核 cores, {summary.machine['system']}",
    ]
    if summary.ended != "as planned":
        lines.append(f"提前结束 Ended {summary.ended}.")
    lines += [f"{fault['part']} 被强制结束 was killed at {fault['at_s']:.1f} s." for fault in summary.faults]
    lines += summary.supervisor
    verdict = (
        ("ok", "账清、话到、答对 All as it must be") if summary.passed else ("bad", "有不对之处 Something is wrong")
    )
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<header><h1>一顿午饭 A lunch</h1><p class="verdict {verdict[0]}">{verdict[1]}</p>{told}</header>'


def _tiles(summary: Summary) -> str:
    peak = summary.latency_at_peak_ms
    goal = "" if peak is None else "ok" if peak.p99 <= GOAL_P99_MS else "bad"
    tiles = [
        ("高峰每秒付款 requests/s at the peak", f"{summary.peak_rate:,.0f}", ""),
        ("高峰 p99，从轮到他起 p99 at the peak", _ms(peak, "p99"), goal),
        ("全程 p50 / p99 whole lunch", f"{_ms(summary.latency_ms, 'p50')} / {_ms(summary.latency_ms, 'p99')}", ""),
        ("手机得知 p99 told on the phone", _ms(summary.told_ms, "p99"), ""),
        ("取码 p99 fetching a code", _ms(summary.code_ms, "p99"), ""),
        ("付款 paid", f"{summary.paid:,}", ""),
        ("拒绝 refused", f"{sum(summary.refused.values()):,}", ""),
        ("无应答后重发 repeated for want of an answer", f"{summary.repeated_for_want_of_answer:,}", ""),
    ]
    drawn = "".join(
        f'<div class="tile {mark}"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value, mark in tiles
    )
    return f'<section class="tiles">{drawn}</section>'


def _ms(quantiles: Quantiles | None, name: str) -> str:
    return "–" if quantiles is None else f"{getattr(quantiles, name):,.1f} ms"


def _checks(summary: Summary) -> str:
    rows = [
        f'<tr><td class="{"ok" if check.ok else "bad"}">{"✓" if check.ok else "✗"}</td>'
        f"<td>{escape(check.name_zh)}<br><small>{escape(check.name)}</small></td><td>{escape(check.found)}</td></tr>"
        for check in summary.checks
    ]
    return f"<section><h2>必须成立的 What must hold</h2><table>{''.join(rows)}</table></section>"


def _books(summary: Summary) -> str:
    books = summary.books
    if books is None:
        return "<section><h2>账 The books</h2><p>没有问账：不是自己的数据库。 Not asked: the database is not ours.</p></section>"
    rows = [("付款笔数 payments", f"{books.payments:,}"), ("付款总额 paid", yuan(books.amount_fen))]
    rows += [(f"出自 from {_PURSES.get(kind, kind)}", yuan(fen)) for kind, fen in sorted(books.from_fen.items())]
    rows += [
        ("应付食堂 owed to canteens", yuan(books.owed_fen)),
        ("其中跨地区 of it between regions", yuan(books.between_regions_fen)),
    ]
    drawn = "".join(f'<tr><td>{escape(name)}</td><td class="figure">{value}</td></tr>' for name, value in rows)
    return f"<section><h2>账 The books</h2><table>{drawn}</table></section>"


def _foot(summary: Summary) -> str:
    ways = ", ".join(f"{way} {count}" for way, count in summary.by_way.items())
    return (
        "<footer><p>时延从轮到这个人扫码起算，排在他前面的也算在内；客户端与服务端在同一台机器上。<br>"
        "A latency begins when it is somebody's turn to scan, the wait behind others at the till included. "
        f"Clients and servers shared this machine.</p><p>{escape(ways)}</p></footer>"
    )


# ---- pictures


def _charts(lunch: Lunch, summary: Summary) -> Iterable[Chart | Bars]:
    marks = [(fault.at_s, f"✗ {fault.part}") for fault in lunch.killed]
    answered = [sale for sale in lunch.sales if sale.answered_s is not None]
    latencies = [(sale.due_s, 1000 * sale.latency_s) for sale in answered if sale.latency_s is not None]
    told = [(at_s, 1000 * after_s) for at_s, after_s in told_after(lunch)]
    yield Chart(
        "来的人与应答 Arrivals and answers",
        "每秒 a second",
        [
            Series("来 due", "c1", _a_second(sale.due_s for sale in lunch.sales)),
            Series(
                "应答 answered", "c2", _a_second(sale.answered_s for sale in answered if sale.answered_s is not None)
            ),
        ],
        marks,
    )
    yield _over_time("付款时延 Latency of a payment", latencies, marks, GOAL_P99_MS)
    yield _over_time("手机得知 Scan to the phone's message", told, marks, None)
    yield _over_time("取码时延 Fetching a code", [(at, 1000 * wait) for at, wait in lunch.code_waits], marks, None)
    yield Bars("拒绝 Refusals", "次 times", list(summary.refused.items()))
    yield Chart("处理器 Processors busy", f"共 of {summary.machine['cores']}", list(_taken(lunch, 1)), marks)
    yield Chart("内存 Memory", "MiB", list(_taken(lunch, 2)), marks)


def _over_time(
    title: str, points: Sequence[tuple[float, float]], marks: Sequence[tuple[float, str]], goal: float | None
) -> Chart:
    groups = [
        (second + 0.5, sorted(value for _, value in group))
        for second, group in groupby(sorted(points), key=lambda point: int(point[0] // 1))
    ]
    series = [
        Series(name, colour, [(at, values[min(len(values) - 1, int(len(values) * share))]) for at, values in groups])
        for name, colour, share in (("p99", "c3", 0.99), ("p90", "c2", 0.9), ("p50", "c1", 0.5))
    ]
    return Chart(title, "ms", series, marks, goal)


def _a_second(moments: Iterable[float]) -> list[tuple[float, float]]:
    counted: dict[int, int] = {}
    for moment in moments:
        counted[int(moment // 1)] = counted.get(int(moment // 1), 0) + 1
    if not counted:
        return []
    return [(second + 0.5, counted.get(second, 0)) for second in range(min(counted), max(counted) + 1)]


def _taken(lunch: Lunch, column: int) -> Iterable[Series]:
    parts = sorted(lunch.watch.samples, key=lambda part: (part == CLIENTS, part))
    for part, colour in zip(parts, _COLOURS, strict=False):
        yield Series(part, colour, [(sample[0], sample[column]) for sample in lunch.watch.samples[part]])


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2a26; --soft: #66756f; --paper: #fbfaf6; --card: #fff; --rule: #dfe4df;
  --c1: #2f7d6b; --c2: #b8862b; --c3: #b3413a; --c4: #4a6fa5; --c5: #7b5ea7; --ok: #2f7d6b; --bad: #b3413a }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ece8; --soft: #9aa8a1; --paper: #141a18; --card: #1c2421; --rule: #33403b;
  --c1: #6cc2ab; --c2: #e0b45c; --c3: #ec8780; --c4: #8fb2e6; --c5: #b79be0; --ok: #6cc2ab; --bad: #ec8780 } }
* { box-sizing: border-box } body { margin: 0 auto; max-width: 1560px; padding: 24px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif }
h1 { margin: 0; font-size: 28px } h2 { font-size: 18px } header p { margin: 4px 0; color: var(--soft) }
.verdict { font-size: 18px; font-weight: 600 } .ok, header .ok { color: var(--ok) } .bad, header .bad { color: var(--bad) }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; margin: 20px 0 }
.tile, figure, table { background: var(--card); border: 1px solid var(--rule); border-radius: 8px }
.tile { padding: 12px 14px; color: var(--ink) } .tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums }
.tile span { color: var(--soft); font-size: 13px } .tile.ok b { color: var(--ok) } .tile.bad b { color: var(--bad) }
table { width: 100%; border-collapse: collapse } td { padding: 8px 12px; border-top: 1px solid var(--rule); overflow-wrap: anywhere }
tr:first-child td { border-top: 0 } td.figure { text-align: right; font-variant-numeric: tabular-nums } small, footer { color: var(--soft) }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px; margin: 20px 0 }
figure { margin: 0; padding: 12px } figcaption { font-weight: 600; margin-bottom: 6px } svg { width: 100%; height: auto; display: block }
.grid { stroke: var(--rule) } .goal { stroke: var(--bad); stroke-dasharray: 5 4 } line.mark { stroke: var(--bad); stroke-width: 1.5 }
text { fill: var(--soft); font-size: 12px } text.mark { fill: var(--bad) } .end { text-anchor: end } .middle { text-anchor: middle }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round } .bar { fill: var(--c1) }
.line.c1 { stroke: var(--c1) } .line.c2 { stroke: var(--c2) } .line.c3 { stroke: var(--c3) } .line.c4 { stroke: var(--c4) } .line.c5 { stroke: var(--c5) }
.legend { margin: 6px 0 0; display: flex; gap: 16px; flex-wrap: wrap; font-size: 13px } .key::before { content: ""; display: inline-block;
  width: 14px; height: 3px; margin-right: 6px; vertical-align: middle; background: currentColor } .none { color: var(--soft) }
.key.c1 { color: var(--c1) } .key.c2 { color: var(--c2) } .key.c3 { color: var(--c3) } .key.c4 { color: var(--c4) } .key.c5 { color: var(--c5) }
.key.wanted { color: var(--bad) }
"""

_PAGE: Final = """<!doctype html>
<html lang="zh">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>一顿午饭 A lunch</title>
<style>{style}</style></head>
<body>
{body}
</body>
</html>
"""
