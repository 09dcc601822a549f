"""Files that are made from the code, and the check that none of them is stale.

    python -m app.generate            write those that are stale
    python -m app.generate --check    name those that are stale, write nothing

To add one: a function without arguments that returns the whole text, and a line in GENERATORS.
"""

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from app import frontend_build

ROOT: Final = Path(__file__).resolve().parent.parent
GENERATED_BY_THE_FRONT_END: Final = frontend_build.FRONTEND / "src" / "generated"


@dataclass(frozen=True)
class Generator:
    """One generated file."""

    path: str
    # `module:function`; imported when it is needed.
    make: str

    def text(self) -> str:
        """The file as it should be."""
        module, function = self.make.split(":")
        made: str = getattr(import_module(module), function)()
        return made if made.endswith("\n") else made + "\n"


GENERATORS: Final[tuple[Generator, ...]] = (
    Generator("docker-compose.yml", "app.compose:compose_file"),
    Generator("docs/settings.md", "app.catalogues:settings_page"),
    Generator("docs/errors.md", "app.catalogues:errors_page"),
    Generator("docs/events.md", "app.catalogues:events_page"),
    Generator("docs/realtime.schema.json", "realtime.schemas:frames_schema_json"),
    Generator("docs/asyncapi.json", "app.catalogues:asyncapi_json"),
    Generator("docs/processes.md", "app.catalogues:processes_page"),
    Generator("docs/states.md", "app.handbook.states:states_page"),
    Generator("docs/invariants.md", "app.handbook.invariants:invariants_page"),
    Generator("docs/pay-code.md", "app.handbook.pay_code:pay_code_page"),
    Generator("docs/wall-code.md", "app.handbook.wall_code:wall_code_page"),
    Generator("docs/data.md", "app.handbook.tables:tables_page"),
    Generator("docs/glossary.md", "app.handbook.glossary:glossary_page"),
    # What the front end's types are made from (frontend/scripts/generate.mjs).
    Generator("frontend/src/generated/openapi.json", "app.catalogues:openapi_json"),
    Generator("frontend/src/generated/events.json", "app.catalogues:events_json"),
)


def stale_files() -> list[Path]:
    """Generated files that differ from what the code makes now."""
    return [ROOT / g.path for g in GENERATORS if _current(ROOT / g.path) != g.text()]


def write_all() -> list[Path]:
    """Bring every generated file up to date; returns those that were not."""
    written = []
    for generator in GENERATORS:
        file, text = ROOT / generator.path, generator.text()
        if _current(file) != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            written.append(file)
    return written + _changed_by_the_front_end(keep=True)


def stale_types() -> list[Path]:
    """Types of the front end that differ from what its own generator makes now."""
    return _changed_by_the_front_end(keep=False)


def _changed_by_the_front_end(*, keep: bool) -> list[Path]:
    """Run the front end's generator; what it has changed is kept or put back."""
    if not (frontend_build.FRONTEND / "scripts" / "generate.mjs").exists():
        return []
    before = _texts(GENERATED_BY_THE_FRONT_END)
    frontend_build.install_packages()
    frontend_build.run_npm(["run", "generate", "--silent"])
    after = _texts(GENERATED_BY_THE_FRONT_END)
    changed = sorted(file for file in before.keys() | after.keys() if before.get(file) != after.get(file))
    if not keep:
        for file in changed:
            if file in before:
                file.write_bytes(before[file])
            else:
                file.unlink()
    return changed


def _texts(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*.ts")} if folder.exists() else {}


def _current(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def main(arguments: list[str]) -> None:
    """Command line."""
    if "--check" not in arguments:
        for file in write_all():
            print(f"· {file.relative_to(ROOT)} was written anew.")
        return
    stale = stale_files() + stale_types()
    for file in stale:
        print(f"{file.relative_to(ROOT)} is stale: run `make generate`.")
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
