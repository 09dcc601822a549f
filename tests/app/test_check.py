"""What `make check` looks for beyond the linters: addresses of registries, and files that have gone stale."""

from pathlib import Path

import pytest

from app import check, generate


class TestAddresses:
    def test_our_own_locks_and_configuration_name_none(self) -> None:
        assert list(check.registry_addresses()) == []

    @pytest.mark.parametrize(
        ("file", "line"),
        [
            ("requirements.lock", "--index-url https://mirror.example/simple"),
            ("frontend/package-lock.json", '      "resolved": "https://mirror.example/vue/-/vue-3.tgz",'),
            ("frontend/.npmrc", "registry=//mirror.example/"),
            ("pyproject.toml", 'find-links = ["/opt/wheels"]'),
            ("Dockerfile", "RUN pip install -i http://mirror.example/simple uv"),
        ],
    )
    def test_each_way_to_name_one_is_seen(
        self, file: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"name = 1\n{line}\n")
        monkeypatch.setattr(check, "ROOT", tmp_path)

        assert list(check.registry_addresses()) == [f"{file}:2: {line.strip()}"]

    def test_this_machine_and_who_funds_a_package_are_no_registries(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "Makefile").write_text("# http://127.0.0.1:8000\n")
        (tmp_path / "frontend").mkdir()
        (tmp_path / "frontend" / "package-lock.json").write_text('  "url": "https://opencollective.com/vite"\n')
        monkeypatch.setattr(check, "ROOT", tmp_path)

        assert list(check.registry_addresses()) == []


class TestGeneratedFiles:
    def test_a_changed_one_is_stale_and_is_written_anew(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(generate, "ROOT", tmp_path)
        monkeypatch.setattr(
            generate, "GENERATORS", (generate.Generator("docs/here.md", "app.catalogues:processes_page"),)
        )
        monkeypatch.setattr(generate, "_changed_by_the_front_end", lambda *, keep: [])
        page = tmp_path / "docs" / "here.md"

        assert generate.stale_files() == [page]
        generate.write_all()
        assert generate.stale_files() == []
        page.write_text(page.read_text() + "by hand\n")
        assert generate.stale_files() == [page]

    def test_no_two_generators_write_the_same_file(self) -> None:
        paths = [generator.path for generator in generate.GENERATORS]

        assert len(paths) == len(set(paths))
