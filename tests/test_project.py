"""What holds for the project as a whole: its sizes, its locks, its words, its commands."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("service", "worker", "models", "training", "migrations")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = {"base": (), "gpu": ("gpu",), "train": ("train",), "test": ("gpu", "train", "test")}
MEGABYTE = 1_000_000
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def tracked(program: Callable[[str], str]) -> list[Path]:
    """Give every file that git tracks and that is there."""
    listing = subprocess.run([program("git"), "ls-files", "-z"], cwd=ROOT, capture_output=True, timeout=30, check=False)
    if listing.returncode != 0:
        pytest.skip("this is no git checkout")
    return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_no_module_is_longer_than_300_lines() -> None:
    assert len(modules()) > 20
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    assert {name: length for name, length in function_lengths() if length > 50} == {}


def function_lengths() -> Iterator[tuple[str, int]]:
    for path in modules():
        if path.parent.name == "versions":
            continue  # a migration is a list of statements
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # A docstring is documentation, not length.
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                assert node.end_lineno is not None
                yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - first.lineno + 1


def test_no_class_is_longer_than_150_lines() -> None:
    """With its docstrings: who reads a class reads them too."""
    assert {name: length for name, length in class_lengths() if length > 150} == {}


def class_lengths() -> Iterator[tuple[str, int]]:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert node.end_lineno is not None
                yield node.name, node.end_lineno - node.lineno + 1


def test_no_two_classes_of_the_product_share_a_name() -> None:
    """A name stands for one thing, be it a class or a type; what a module keeps to itself may be named again."""
    places: dict[str, list[str]] = {}
    for path in modules():
        for name in names_of_types(ast.parse(path.read_text())):
            places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def names_of_types(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if len(name) > 1 and name[0].isupper() and not name.isupper():
                yield name


def test_every_package_has_exhaustive_layers() -> None:
    contracts = [contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract.get("exhaustive")]
    placed = {container for contract in contracts for container in contract["containers"]}
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in modules()
        if path.name == "__init__.py" and path.parent.name != "migrations" and len(children(path.parent)) > 1
    }
    assert packages - placed == set(), "give it a contract in pyproject.toml: its modules, the upper layers first"
    assert PROJECT["tool"]["importlinter"]["exclude_type_checking_imports"] is False


def children(package: Path) -> list[Path]:
    modules_of_it = [path for path in package.glob("*.py") if path.name != "__init__.py"]
    return [*modules_of_it, *(path.parent for path in package.glob("*/__init__.py"))]


def test_a_public_function_that_raises_our_errors_says_so() -> None:
    own = own_errors()
    assert {"NotDicom", "LeaseLost"} <= own
    silent = {
        f"{path.relative_to(ROOT)}:{function.name}": missing
        for path in modules()
        for function in public_functions(ast.parse(path.read_text()))
        if (missing := (raised_by(function) & own) - said_to_raise(function))
    }
    assert silent == {}


#: What follows a standard or a paper, and where it must say which: all modules of a folder, or one.
SOURCED = (
    *("service/dicom/acceptor", "service/dicom/commitment", "service/dicom/pixels", "service/report", "service/audit"),
    *("service/dicom/associate.py", "service/dicom/characters.py", "service/dicom/element_heads.py"),
    *("service/dicom/elements.py", "service/dicom/identity.py", "service/dicom/part10.py", "service/dicom/scu.py"),
    *("service/scope", "service/security/tls.py", "service/vocabulary/sop_classes.py", "service/vocabulary/uids.py"),
    *("service/hl7/acknowledgement.py", "service/hl7/encoding.py", "service/hl7/meaning.py"),
    *("service/hl7/message.py", "service/hl7/mllp.py"),
    *("worker/channels/hl7.py", "worker/channels/hl7_wire.py", "models/backbones.py", "models/class_activation.py"),
    *("models/decision.py", "models/distance.py", "models/heads.py", "training/exporting/calibration.py"),
    *("training/exporting/int8_graph.py", "training/measuring/label_noise.py", "training/measuring/metrics.py"),
    *("training/measuring/reliability.py", "training/papers/rows.py"),
)
#: Modules of these folders that no standard rules: contracts and plumbing of ours.
UNSOURCED = {
    *("service/audit/frame_queue.py", "service/audit/trail.py", "service/dicom/acceptor/terms.py"),
    *("service/dicom/pixels/frame.py", "service/dicom/pixels/image.py", "service/scope/attributes.py"),
    *("service/scope/fitting.py", "service/scope/verdict.py", "service/scope/words.py"),
    *("service/report/installed.py", "service/report/maker.py", "service/report/making/__main__.py"),
    "service/report/making/files.py",
}
SOURCE = re.compile(r"PS3\.\d|RFC \d|ITU-T|HL7 Version|^ *References$|Ahnafi", re.MULTILINE)


def test_what_follows_a_standard_or_a_paper_names_it() -> None:
    silent = {
        str(path.relative_to(ROOT))
        for name in SOURCED
        for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
        if path.name != "__init__.py" and not SOURCE.search(path.read_text())
    }
    assert silent == UNSOURCED


def own_errors() -> set[str]:
    """Return the names of the project's errors: those of the tree, and what other modules derive from them."""
    classes = [
        node for path in modules() for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    ]
    own = {"AuscultError"}
    while more := {node.name for node in classes if {last_name(base) for base in node.bases} & own} - own:
        own |= more
    return own


def last_name(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[Function]:
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)
        # The docstring of a command is what `--help` prints.
        is_command = isinstance(child, Function) and any(map(is_click, child.decorator_list))
        if isinstance(child, Function) and not child.name.startswith("_") and not is_command:
            yield child


def is_click(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).startswith(("click.", "_group."))


def raised_by(function: Function) -> set[str]:
    """Return the names of the classes that a function raises itself; functions inside it speak for themselves."""
    found: set[str] = set()
    rest: list[ast.AST] = [*function.body]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            found.add(last_name(node.exc))
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            rest += ast.iter_child_nodes(node)
    return found


def said_to_raise(function: Function) -> set[str]:
    """Return the names under `Raises` in a docstring; a line may hold several."""
    match = re.search(
        r"^Raises\n-+\n(.*?)(?=^\w+\n-{3,}|\Z)", ast.get_docstring(function) or "", re.MULTILINE | re.DOTALL
    )
    lines = match[1].splitlines() if match else []
    return {name.strip() for line in lines if not line.startswith(" ") for name in line.split(",")}


def test_only_weights_are_large_files(tracked: list[Path]) -> None:
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked}
    assert {name: size for name, size in sizes.items() if size > 60 * MEGABYTE} == {}
    large = {name for name, size in sizes.items() if size > MEGABYTE}
    assert {name for name in large if not name.startswith("models/weights/")} == set()


def test_no_tracked_file_names_a_package_index_or_a_path_of_this_machine(tracked: list[Path]) -> None:
    # Put together here, so that this file does not name them either.
    hosts = ["pypi" + ".org", "python" + "hosted.org", "registry." + "npmjs", "deb." + "debian.org"]
    options = ["--index" + "-url", "--extra-" + "index-url", "--find" + "-links"]
    found = re.compile("|".join(map(re.escape, [*hosts, *options, f"{ROOT}/"])) + r"|/home/\w|/root/\w")
    assert [str(path.relative_to(ROOT)) for path in tracked if found.search(path.read_text(errors="replace"))] == []


def test_uv_lock_is_not_tracked_and_the_ci_script_can_be_run(tracked: list[Path]) -> None:
    assert ROOT / "uv.lock" not in tracked
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def locked(name: str) -> dict[str, list[str]]:
    """Return the versions of each package in a lock; Pythons may differ in them."""
    versions: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", line):
            versions.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return versions


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_holds_what_the_project_asks_for(name: str) -> None:
    wanted = list(PROJECT["project"]["dependencies"])
    for extra in EXTRAS[name]:
        wanted += PROJECT["project"]["optional-dependencies"][extra]
    versions = locked(name)
    for requirement in map(Requirement, wanted):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"requirements/{name}.txt lacks {requirement.name}: make lock"
        assert all(version in requirement.specifier for version in found), f"{requirement}: {found}: make lock"


@pytest.mark.parametrize("name", [*EXTRAS, "uv"])
def test_every_locked_package_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_smaller_locks_agree_with_the_largest() -> None:
    everything = locked("test")
    for name in ("base", "gpu", "train"):
        for package, versions in locked(name).items():
            assert set(versions) <= set(everything[package]), f"{package} in requirements/{name}.txt: make lock"


def test_the_base_set_has_no_torch_and_no_set_has_a_codec_under_the_gpl() -> None:
    assert {"torch", "torchvision"}.isdisjoint(locked("base"))
    for name in EXTRAS:
        assert "pylibjpeg-libjpeg" not in locked(name)


def test_every_file_that_names_the_version_names_this_one() -> None:
    version = PROJECT["project"]["version"]
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    assert re.search(heading, (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert f"\nARG VERSION={version}\n" in (ROOT / "Dockerfile").read_text()
    files = [ROOT / "docker-compose.yml", *(ROOT / "kubernetes").rglob("*.yaml"), *(ROOT / "docs/howto").glob("*.md")]
    tags = {path.name: {*re.findall(r"\bauscult:(\d+\.\d+\.\d+)-", path.read_text())} for path in files}
    assert {"docker-compose.yml", "listen.yaml", "kubernetes.md"} <= {name for name in tags if tags[name]}
    assert {tag for found in tags.values() for tag in found} == {version}


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def code_in(document: Path) -> str:
    """Return the code spans and code blocks of a Markdown document, one a line."""
    text = document.read_text()
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*blocks, *spans])


def test_documents_name_only_targets_that_make_knows() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"help", "demo", "setup", "test", "check", "bench"} <= targets
    named = {
        (document.name, target)
        for document in documents()
        for target in re.findall(r"^\s*(?:\$ )?make ([a-z]+)", code_in(document), re.MULTILINE)
    }
    assert {target for _, target in named} >= {"demo", "test"}
    assert {(document, target) for document, target in named if target not in targets} == set()


def test_documents_name_only_commands_that_auscult_has() -> None:
    from service.cli import _group

    known = set(_group.list_commands(click.Context(_group)))
    named = {
        (document.name, command)
        for document in documents()
        for command in re.findall(r"^\s*(?:\$ )?(?:\.venv/bin/)?auscult ([a-z]+)", code_in(document), re.MULTILINE)
    }
    assert {command for _, command in named} >= {"up", "demo"}
    assert {(document, command) for document, command in named if command not in known} == set()


def test_every_command_can_be_loaded_and_says_what_it_does() -> None:
    from service.cli import _group

    context = click.Context(_group)
    names = _group.list_commands(context)
    assert {point.name for point in entry_points(group="auscult.commands")} <= set(names)
    for name in names:
        command = _group.get_command(context, name)
        assert isinstance(command, click.Command), name
        assert command.get_short_help_str(), name
