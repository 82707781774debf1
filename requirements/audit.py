"""Look the locked packages up among known vulnerabilities (`make audit`), where their source can be reached.

A build without a network does not fail for it: it says that nothing was checked.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("pip-audit")
#: The locks of what is installed at a site; those of tests and training never are.
SETS = ("base", "gpu")
#: Seconds: for an answer of the source, and for everything.
ANSWER_S, ALL_S = 10, 300


def look_up(locked: Path, report: Path) -> str | None:
    """Write pip-audit's report on a lock; return why there is none, or None when there is one."""
    command = [
        str(PROGRAM),
        "--requirement",
        str(locked),
        "--require-hashes",
        "--disable-pip",
        "--progress-spinner=off",
    ]
    command += ["--timeout", str(ANSWER_S), "--format=json", "--output", str(report)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=ALL_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {ALL_S} s"
    if report.is_file() and report.stat().st_size:
        return None
    # Its last line may name a host; what kind of error it was is enough.
    return "the source of known vulnerabilities cannot be reached" if ran.returncode else "pip-audit wrote no report"


def findings(report: Path) -> tuple[list[str], int, int]:
    """Return a line for each known vulnerability in a report, and how many packages were looked up, of how many."""
    packages = json.loads(report.read_text())["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {item['id']}, mended in {', '.join(item['fix_versions']) or 'none'}"
        for package in packages
        for item in package.get("vulns", [])
    ]
    # A mirror that tells of no vulnerability at all leaves packages out instead of failing.
    return found, sum("skip_reason" not in package for package in packages), len(packages)


def main() -> None:
    """Audit what is installed with the service and its GPU workers; exit with 1 when a vulnerability is known."""
    found: set[str] = set()
    for name in SETS:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            if (why := look_up(HERE / f"{name}.txt", report)) is not None:
                print(f"known vulnerabilities: {name}: not checked: {why}")
                continue
            lines, checked, of = findings(report)
        for line in lines:
            print(f"known vulnerability: {name}: {line}")
        if checked < of:
            print(f"known vulnerabilities: {name}: not checked: the source knows {checked} of {of} packages")
        elif not lines:
            print(f"known vulnerabilities: {name}: none in {of} packages")
        found.update(lines)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
