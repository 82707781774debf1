"""Dockerfile, .dockerignore and docker-compose.yml agree with the product and with each other; no engine is needed."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from service.cli import _group
from service.settings import Settings, load
from tests.containers import compose, dockerfile
from tests.containers.compose import ROOT, Service
from tests.containers.dockerfile import chain, ignore_patterns, is_ignored, stages
from tests.documents import DOCS

SERVICES = compose.services()
OURS = {name: service for name, service in SERVICES.items() if service.is_ours}


def changed_by(override: str) -> dict[str, Service]:
    """Return what an override makes of those services that it changes."""
    services = compose.services(override=override)
    return {name: service for name, service in services.items() if service.table != SERVICES[name].table}


DOCUMENTED = changed_by(compose.documented_override())
OTHER_CHECKPOINT = changed_by(compose.documented_override("howto/roll-back-a-checkpoint.md"))
#: A line of a document that runs something within a service: what stands behind the service's name.
IN_A_SERVICE = re.compile(r"docker compose (?:exec|run)((?: --?[\w-]+(?:[= ](?:\"[^\"]*\"|tar))?)*) (\w+) ([^|>\n`]+)")
TRIAL = {name: service for name, service in SERVICES.items() if service.table.get("profiles") == ["demo"]}


def read_command(arguments: list[str]) -> None:
    """Read a command line as `auscult` does, without running it; click raises for what is wrong."""
    command: click.Command = _group
    context = click.Context(_group, info_name="auscult")
    left = list(arguments)
    while isinstance(command, click.Group):
        name, found, left = command.resolve_command(context, left)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_context(command.name, left)


def test_every_source_of_a_copy_is_tracked_and_reaches_the_engine(program: Callable[[str], str]) -> None:
    listing = subprocess.run([program("git"), "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=30, check=False)
    if listing.returncode != 0:
        pytest.skip("this is no git checkout")
    tracked = [name for name in listing.stdout.decode().split("\0") if name]
    found, patterns = stages(), ignore_patterns()
    copied = 0
    for stage in found.values():
        for step in stage.steps:
            if step.instruction != "COPY":
                continue
            origin, sources, _ = step.copied()
            if origin is not None:
                assert origin in found, f"COPY --from={origin}: there is no such stage"
                continue
            for source in (one.replace("${REQUIREMENTS}", name) for one in sources for name in ("base", "gpu")):
                files = [name for name in tracked if name == source or name.startswith(f"{source}/")]
                assert files, f"COPY {source}: no tracked file"
                assert [name for name in files if is_ignored(name, patterns)] == []
                copied += len(files)
    assert copied > 100


def test_nothing_private_and_nothing_large_reaches_the_engine() -> None:
    patterns = ignore_patterns()
    for name in (".git/config", ".venv/bin/python", "auscult.toml", "secrets/database_password", "tests/conftest.py"):
        assert is_ignored(name, patterns), name
    for name in ("service/cli/__pycache__/up.pyc", "auscult-data/ledger.sqlite", "data/objects/00/0"):
        assert is_ignored(name, patterns), name
    assert not is_ignored("models/weights/x/model.safetensors", patterns)


def test_one_chain_of_stages_makes_each_image_and_no_stage_is_built_for_another_one() -> None:
    found = stages()
    last = [*found][-1]
    # The classic builder builds every stage before the last: none may be there that the image is not made of.
    needed = {stage.name for stage in chain(found, last)}
    for stage in [*found.values()]:
        for step in stage.steps:
            if step.instruction == "COPY" and (origin := step.copied()[0]) is not None:
                needed |= {one.name for one in chain(found, origin)}
    assert needed == {*found}
    for service in OURS.values():
        build = service.table["build"]
        assert "target" not in build
        requirements = build["args"].get("REQUIREMENTS", "base")
        assert (ROOT / "requirements" / f"{requirements}.txt").is_file()
        assert service.table["image"].endswith({"base": "-cpu", "gpu": "-gpu"}[requirements])


def test_the_image_that_runs_holds_no_tool_that_installs() -> None:
    found = stages()
    steps = [step for stage in chain(found, [*found][-1]) for step in stage.steps]
    assert [step.rest for step in steps if step.instruction == "ENTRYPOINT"] == ['["auscult"]']
    assert [step.rest for step in steps if step.instruction == "USER"] == ["auscult"]
    assert not any("pip" in step.rest or "venv" in step.rest for step in steps if step.instruction == "RUN")


def test_the_base_is_named_by_its_digest_and_what_a_site_says_to_the_build_stays_out_of_the_image() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE_IMAGE=debian:\d+\.\d+-slim@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    found = stages()
    last = {step.rest.partition("=")[0] for stage in chain(found, [*found][-1]) for step in stage.steps}
    assert {"SITE_CA", "PIP_INDEX_URL"}.isdisjoint(last)
    told = {
        step.rest.partition("=")[0] for stage in found.values() for step in stage.steps if step.instruction == "ARG"
    }
    for service in OURS.values():
        assert {*service.table["build"]["args"]} - {"BASE_IMAGE"} <= told


def test_every_image_has_a_tag_that_does_not_move() -> None:
    for service in SERVICES.values():
        tag = service.table["image"].partition(":")[2]
        assert re.match(r"\d+\.\d+", tag), service.table["image"]


@pytest.mark.parametrize("service", OURS.values(), ids=lambda service: service.name)
def test_every_command_and_health_check_is_one_that_auscult_has(service: Service) -> None:
    read_command(service.command)
    if service.name != "migrate":  # it ends
        assert service.health[0] == "auscult"
        read_command(service.health[1:])


@pytest.mark.parametrize(
    "service", [*OURS.values(), *DOCUMENTED.values(), *OTHER_CHECKPOINT.values()], ids=lambda service: service.name
)
def test_every_variable_is_a_setting(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    for name, value in service.environment.items():
        monkeypatch.setenv(name, str(tmp_path / "secret") if name.endswith("PASSWORD_FILE") else value)
    monkeypatch.setenv("AUSCULT_CONFIG", str(ROOT / "docker" / "demo" / "auscult.toml"))
    settings = load()
    assert settings.database_url == "postgresql+psycopg://auscult:geheim@postgres:5432/auscult"
    assert settings.queue.address.get_secret_value() == "redis://:geheim@redis:6379/0"
    assert settings.destinations
    read_command(service.command)
    for name in service.environment:
        # A variable of a section that there is not is passed over in silence.
        assert name in {"AUSCULT_CONFIG", "TZ"} or is_setting(name), name


def is_setting(variable: str) -> bool:
    """Tell whether a variable names a setting."""
    model: Any = Settings
    for part in variable.removeprefix("AUSCULT_").lower().split("__"):
        if part not in model.model_fields:
            return False
        model = model.model_fields[part].annotation
    return True


def test_what_takes_tls_mounts_what_its_settings_name_and_publishes_what_they_open() -> None:
    opened = {"listen": ("AUSCULT_LISTENER__PORT", "AUSCULT_LISTENER__TLS__PORT"), "page": ("AUSCULT_WEB__PORT",)}
    assert {*DOCUMENTED} == {"listen"}
    for name, service in {**DOCUMENTED, "page": SERVICES["page"]}.items():
        named = [value for value in service.environment.values() if value.startswith("/etc/auscult/tls/")]
        assert len(named) >= 3
        assert "./tls:/etc/auscult/tls:ro" in service.table["volumes"]
        assert {*SERVICES["web"].table["volumes"]} < {*service.table["volumes"]}
        published = [port.rpartition(":")[2] for port in service.table["ports"]]
        assert published == [service.environment[variable] for variable in opened[name]]
        assert service.table["networks"] == ["inside", "outside"]


def test_another_checkpoint_reaches_every_service_that_loads_one() -> None:
    assert {*OTHER_CHECKPOINT} == {name for name, service in OURS.items() if service.command[0] == "work"}
    for name, service in OTHER_CHECKPOINT.items():
        (mount,) = {*service.table["volumes"]} - {*SERVICES[name].table["volumes"]}
        folder, inside, mode = mount.split(":")
        assert (folder, mode) == ("./checkpoints", "ro")
        assert Path(service.environment["AUSCULT_ANALYSIS__CHECKPOINT"]).parent == Path(inside)
        assert service.environment.items() > SERVICES[name].environment.items()


def test_what_documents_run_within_a_service_is_a_command_that_it_has() -> None:
    found = []
    for path in DOCS.rglob("*.md"):
        for options, name, rest in IN_A_SERVICE.findall(path.read_text(encoding="utf-8")):
            found.append((path.name, name))
            words = rest.split()
            if not SERVICES[name].is_ours or "--entrypoint" in options or words[0] in ("tar", "python3"):
                continue
            read_command(words[words[0] == "auscult" :])
    assert {("upgrade.md", "migrate"), ("production.md", "web"), ("back-up-and-restore.md", "postgres")} <= {*found}


def test_the_services_that_documents_start_or_stop_are_those_of_the_file() -> None:
    named = set()
    for path in DOCS.rglob("*.md"):
        for profiles, verb, rest in re.findall(
            r"^ *docker compose((?: --profile \w+)*) (up|stop)((?: [\w-]+)*)$", path.read_text("utf-8"), re.MULTILINE
        ):
            for name in (word for word in rest.split() if not word.startswith("--")):
                named.add(name)
                wanted = SERVICES[name].table.get("profiles", [])
                assert not wanted or {*wanted} & {*profiles.split()}, f"{path.name}: {verb} {name} needs its profile"
    assert {*OURS} - {"migrate"} <= named


@pytest.mark.parametrize("service", OURS.values(), ids=lambda service: service.name)
def test_no_part_can_do_more_than_it_must(service: Service) -> None:
    table = service.table
    assert table["user"] == "10001:10001"
    assert table["read_only"] is True
    assert table["cap_drop"] == ["ALL"]
    assert table["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in table
    assert "/tmp" in table["tmpfs"][0]


def test_no_service_sees_the_engine_and_none_has_a_secret_in_a_variable() -> None:
    for service in SERVICES.values():
        assert not any("docker.sock" in str(volume) for volume in service.table.get("volumes", []))
        for name, value in service.environment.items():
            if "PASSWORD" in name or "SECRET" in name:
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")
                assert Path(value).name in service.table["secrets"]


def test_the_database_and_the_broker_are_reached_by_nobody_outside() -> None:
    networks = compose.read()["networks"]
    for name in ("postgres", "redis"):
        assert SERVICES[name].table["networks"] == ["inside"]
        assert "ports" not in SERVICES[name].table
        assert SERVICES[name].table["read_only"] is True
        assert SERVICES[name].table["user"] not in ("root", "0")
    assert networks["inside"] == {"internal": True}


def test_what_is_published_beyond_this_machine_is_the_listeners_and_the_page_with_its_login_alone() -> None:
    for service in SERVICES.values():
        for port in service.table.get("ports", []):
            assert service.name in ("listen", "hl7", "page") or port.startswith("127.0.0.1:"), f"{service.name}: {port}"
    for name, variable in (("listen", "AUSCULT_LISTENER__PORT"), ("hl7", "AUSCULT_HL7__PORT")):
        port = SERVICES[name].table["ports"][0].rpartition(":")[2]
        assert SERVICES[name].environment[variable] == port
    # HL7 has no login: it is heard where a site says so.
    assert SERVICES["hl7"].table["profiles"] == ["hl7"]


def test_everything_that_is_named_is_declared_and_everything_declared_is_used() -> None:
    whole = compose.read()
    for kind in ("networks", "secrets", "configs", "volumes"):
        used = set()
        for service in SERVICES.values():
            for item in service.table.get(kind, []):
                name = item["source"] if isinstance(item, dict) else item.partition(":")[0]
                if not name.startswith("./"):  # a folder of the site's own
                    used.add(name)
        assert used == {*whole[kind]}, kind
    for service in SERVICES.values():
        assert {*service.table.get("depends_on", {})} <= {*SERVICES}
    assert [one.name for one in compose.in_order(SERVICES)].index("migrate") > 0


def test_every_service_is_started_again_and_says_how_it_is() -> None:
    for service in SERVICES.values():
        assert service.table["restart"] in ("unless-stopped", "on-failure:5")
        assert service.name in {"migrate", *TRIAL} or service.health, service.name


def test_the_files_of_the_demo_are_there_and_name_its_services() -> None:
    for name in ("orthanc", "forward"):
        assert (ROOT / compose.read()["configs"][name]["file"]).is_file()
    assert '"listen", 11112' in (ROOT / "docker/demo/orthanc.json").read_text()
    assert 'host = "orthanc"' in (ROOT / "docker/demo/auscult.toml").read_text()


def test_a_pattern_of_dockerignore_keeps_what_comes_after_it() -> None:
    assert is_ignored("a/b", ["*"])
    assert not is_ignored("a/b", ["*", "!a"])
    assert is_ignored("a/__pycache__/b", ["*", "!a", "**/__pycache__"])
    assert dockerfile.Step("COPY", "--from=one /a /b").copied() == ("one", ["/a"], "/b")


def test_images_that_only_a_stand_in_has_run_are_named_in_the_documents() -> None:
    text = (ROOT / "docs" / "howto" / "production.md").read_text().partition("## Verified, and by what")[2]
    foreign = {service.table["image"] for service in SERVICES.values() if not service.is_ours}
    base = re.search(r"^ARG BASE_IMAGE=([^@\n]+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base is not None
    assert {name for name in foreign | {base[1]} if f"`{name}`" not in text} == set()
    assert "`infer-gpu`" in text


def test_every_container_has_a_limit_on_its_memory_and_its_processes() -> None:
    for service in SERVICES.values():
        assert re.fullmatch(r"\d+[mg]", service.table["mem_limit"]), service.name
        assert 0 < service.table["pids_limit"] <= 4096, service.name


def test_the_database_s_health_check_asks_over_tcp_which_the_server_of_a_set_up_does_not_answer() -> None:
    assert "--host=127.0.0.1" in SERVICES["postgres"].health
