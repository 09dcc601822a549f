"""The page of `guanjia run --lan` that a phone opens first: the certificate, and how to trust it. Nothing on it is secret."""

from html import escape
from string import Template
from typing import Final

_PAGE: Final = Template("""\
<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>管家 Guanjia</title>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0 auto; padding: 24px 20px 48px; max-width: 560px; background: #faf8f3; color: #1e2a2a;
         font: 16px/1.6 'PingFang SC', 'HarmonyOS Sans SC', 'Noto Sans SC', 'Microsoft YaHei', system-ui, sans-serif; }
  h1 { font-size: 24px; } h2 { margin-top: 32px; font-size: 18px; } li { margin: 6px 0; }
  a.step { display: block; margin: 16px 0; padding: 14px 20px; border-radius: 12px; background: #2f6b5e; color: #fff;
           text-align: center; text-decoration: none; font-weight: 600; }
  a.next { background: none; border: 2px solid #2f6b5e; color: #2f6b5e; }
  code { overflow-wrap: anywhere; font-size: 13px; }
  @media (prefers-color-scheme: dark) {
    body { background: #0e1716; color: #e8efec; } a.next { color: #8fcab9; border-color: #8fcab9; }
  }
</style>
</head>
<body>
<main>
<h1>让手机信任这台电脑</h1>
<p>只需一次。摄像头、离线打开和屏幕常亮要求网页经过加密，所以这台电脑有一张自己的证书。</p>
<a class="step" href="/guanjia-ca.crt">1. 下载证书</a>
<ul>
  <li><b>iPhone</b>：设置 → 已下载描述文件 → 安装；再到 通用 → 关于本机 → 证书信任设置，打开它的开关。</li>
  <li><b>安卓 / 鸿蒙</b>：设置 → 安全 → 更多安全设置 → 加密和凭据 → 从存储设备安装 → CA 证书。</li>
  <li>安装前请核对指纹（SHA-256）与电脑终端上显示的一致。用完后请在同一处删除。</li>
</ul>
<a class="step next" href="$url">2. 打开管家</a>

<div lang="en">
<h2>Let the phone trust this computer</h2>
<p>Once. Camera, opening without a network, and keeping the screen lit need an encrypted page, so this computer has a certificate of
its own.</p>
<ul>
  <li>Download the certificate (1).</li>
  <li><b>iPhone</b>: Settings → Profile Downloaded → Install; then General → About → Certificate Trust Settings: switch it on.</li>
  <li><b>Android</b>: Settings → Security → Encryption and credentials → Install a certificate → CA certificate.</li>
  <li>First compare its SHA-256 with the one in the computer's terminal. Remove it in the same place when you are done.</li>
  <li>Open the page (2).</li>
</ul>
</div>
<p>SHA-256<br><code>$fingerprint</code></p>
</main>
</body>
</html>
""")


def trust_page(url: str, fingerprint: str) -> str:
    """For one phone, in both languages."""
    return _PAGE.substitute(url=escape(url), fingerprint=escape(fingerprint))
