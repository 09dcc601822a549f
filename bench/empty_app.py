"""The baseline: an empty FastAPI POST with the body model of a payment, on the same server with the same settings."""

import os

import uvicorn
from fastapi import FastAPI

from payments.schemas import PaymentBody

app = FastAPI()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Up."""
    return {"status": "ok"}


@app.post("/v1/payments", status_code=201)
async def pay(body: PaymentBody) -> dict[str, int]:
    """Read the body, do nothing."""
    return {"seq": body.seq}


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(os.environ["GUANJIA_PORT"]), loop="uvloop", http="httptools",
        log_config=None, access_log=False, server_header=False,
    )  # fmt: skip  # the settings of app/web.py
