"""Alipay's own client, at work on our simulator. Run apart, because it and the product's client have one import name.

    python judge.py PORT < one JSON object a line      one JSON object a line comes back

`{"call": "TradeQuery", "model": {...}, "notify_url"?}` makes a call as a merchant would; the client signs it and verifies
the answer. `{"notice": {...}}` verifies a notice. The client connects to port 80 whatever the address says (and fails on
an address with a port), so its connection, and nothing else, is led to the simulator.
"""

import http.client
import json
import os
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any


def main(port: int) -> None:
    """Answer until the input ends."""
    simulator = port
    web = import_module("alipay.aop.api.util.WebUtils")
    web.httplib = SimpleNamespace(  # type: ignore[attr-defined]  # the client's own import, led to our port
        HTTPConnection=lambda host, port, timeout: http.client.HTTPConnection(host, simulator, timeout=timeout)
    )
    configuration = import_module("alipay.aop.api.AlipayClientConfig").AlipayClientConfig()
    configuration.server_url = "http://127.0.0.1/gateway.do"
    configuration.app_id = os.environ["JUDGE_APP_ID"]
    configuration.app_private_key = os.environ["JUDGE_PRIVATE_KEY"]
    configuration.alipay_public_key = os.environ["JUDGE_PUBLIC_KEY"]
    client = import_module("alipay.aop.api.DefaultAlipayClient").DefaultAlipayClient(configuration)
    for line in sys.stdin:
        asked = json.loads(line)
        said = verify(configuration, asked["notice"]) if "notice" in asked else call(client, asked)
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def call(client: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """One call: what the client makes of the answer, or what it says against it."""
    name = asked["call"]
    model = getattr(import_module(f"alipay.aop.api.domain.Alipay{name}Model"), f"Alipay{name}Model")()
    for field, value in asked["model"].items():
        assert hasattr(model, field), f"Alipay's own model has no {field}"
        setattr(model, field, value)
    request = getattr(import_module(f"alipay.aop.api.request.Alipay{name}Request"), f"Alipay{name}Request")(model)
    if "notify_url" in asked:
        request.notify_url = asked["notify_url"]
    response = getattr(import_module(f"alipay.aop.api.response.Alipay{name}Response"), f"Alipay{name}Response")()
    try:
        response.parse_response_content(client.execute(request))
    except Exception as error:  # noqa: BLE001  whatever it has against the answer is its judgement
        return {"refused": f"{type(error).__name__}: {error}"}
    fields = {
        name.removeprefix("_").partition("__")[2] or name.lstrip("_"): value
        for name, value in vars(response).items()
        if isinstance(value, str | int | bool)
    }
    return fields | {"is_success": response.is_success()}


def verify(configuration: Any, notice: dict[str, str]) -> dict[str, Any]:
    """A notice, by the client's own text to sign and its own check."""
    signatures = import_module("alipay.aop.api.util.SignatureUtils")
    signed = {name: value for name, value in notice.items() if name not in ("sign", "sign_type")}
    content = signatures.get_sign_content(signed).encode()
    try:
        return {"valid": signatures.verify_with_rsa(configuration.alipay_public_key, content, notice["sign"])}
    except Exception as error:  # noqa: BLE001  as above
        return {"valid": False, "refused": type(error).__name__}


if __name__ == "__main__":
    main(int(sys.argv[1]))
