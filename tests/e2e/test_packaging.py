"""What is installed: programs, manual pages, the unit."""

import pathlib
import re
import shutil
import subprocess

import pytest

from harness.daemon import ROOT
from harness.install import run


def test_programs_and_manual_pages(installed):
    _, prefix = installed
    assert "wsgated " in run(prefix / "sbin/wsgated", "--version")
    assert "wsgatectl " in run(prefix / "bin/wsgatectl", "--version")
    if shutil.which("scdoc"):
        pages = {path.name for path in (prefix / "share/man").rglob("*.*")}
        assert pages >= {"wsgated.8", "wsgatectl.1", "wsgate.3", "wsgated.conf.5", "wsgated-protocol.7"}


@pytest.mark.skipif(not shutil.which("scdoc"), reason="no manual pages are made")
def test_the_manual_has_the_runtime_directory_of_the_build(installed):
    _, prefix = installed
    text = (prefix / "share/man/man5/wsgated.conf.5").read_text()
    assert "@runstatedir@" not in text
    documented = re.search(r'systemd sets it, else "([^"]*)"', text.replace("\\", "")).group(1)
    assert documented.encode() + b"\0" in (prefix / "sbin/wsgated").read_bytes()


def needed(program):
    """The libraries that it loads."""
    return re.findall(r"\(NEEDED\).*\[lib(\w+)\.so", run("readelf", "-d", program))


def test_only_wsgatectl_loads_what_draws_tables(installed):
    _, prefix = installed
    assert "smartcols" in needed(prefix / "bin/wsgatectl")
    assert "smartcols" not in needed(prefix / "sbin/wsgated") + needed(prefix / "lib/libwsgate.so")


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian system")
def test_the_packages_of_all_libraries_are_named():
    modules = re.findall(r"PKG_CHECK_MODULES\(\[\w+\], \[(.*?)\]", (ROOT / "configure.ac").read_text())
    names = {word for module in modules for word in re.sub(r">= \S+", "", module).split()}
    assert len(names) > 8
    packages = re.search(r"build_packages=\((.*?)\)", (ROOT / "scripts/setup").read_text(), re.S).group(1).split()
    for name in names:
        folder = run("pkg-config", "--variable=pcfiledir", name).strip()
        assert run("dpkg-query", "-S", f"{folder}/{name}.pc").split(":")[0] in packages, name


def test_the_installed_configuration_is_good(installed):
    root, prefix = installed
    (file,) = [path for path in root.rglob("wsgated.conf") if "etc" in path.parts]
    run(prefix / "sbin/wsgated", "-c", file, "-t")


def test_the_configuration_is_for_nobody_else(installed):
    root, prefix = installed
    (file,) = [path for path in root.rglob("wsgated.conf") if "etc" in path.parts]
    assert [path.stat().st_mode & 0o777 for path in (file.parent, file.parent / "conf.d")] == [0o700, 0o700]
    lines = (prefix / "lib/tmpfiles.d/wsgated.conf").read_text().splitlines()
    given = {line.split()[1]: line.split()[2:4] for line in lines if line.startswith("d")}
    folder = f"/{file.parent.relative_to(root)}"
    assert given[folder] == given[f"{folder}/conf.d"] == ["0500", "wsgated"]


def units(installed):
    root, _ = installed
    return sorted(root.rglob("*.service"))


def test_the_units_are_well_formed(installed):
    root, _ = installed
    names = {unit.name for unit in units(installed)}
    assert names == {"wsgated.service", "wsgated@.service"}
    for unit in units(installed):
        text = unit.read_text()
        assert "@sbindir@" not in text and "@bindir@" not in text
        for program in re.findall(r"^Exec(?:Start|Reload)=(\S+)", text, re.M):
            assert (root / program.lstrip("/")).is_file()
        assert "Type=notify" in text


@pytest.mark.parametrize("name, below", [("wsgated.service", ""), ("wsgated@.service", "/feeds")])
def test_the_unit_reloads_by_a_command_that_tells_the_outcome(installed, start_daemon, name, below):
    """A unit's own command, with what systemd would put in, against a good and a bad file."""
    root, _ = installed
    (unit,) = [unit for unit in units(installed) if unit.name == name]
    daemon = start_daemon()
    command = re.search(r"^ExecReload=(.*)", unit.read_text(), re.M).group(1).split()
    assert command[1:] == ["-s", "%t/wsgated" + ("/%i" if below else "") + "/control.sock", "reload"]
    command = [str(root / command[0].lstrip("/")), "-s", daemon.path("control.sock"), "reload"]
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    daemon.file.write_text("colour = 1;\n")
    done = subprocess.run(command, capture_output=True, timeout=30, text=True)
    assert done.returncode == 1 and "colour" in done.stderr


def test_systemd_finds_nothing_wrong_with_the_unit(installed, tmp_path):
    root, prefix = installed
    for unit in units(installed):
        # The programs are in the folder, not in the system.
        copy = tmp_path / unit.name.replace("@.", "@test.")
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={prefix}/sbin/wsgated", unit.read_text(), flags=re.M)
        copy.write_text(re.sub(r"^ExecReload=\S+", f"ExecReload={prefix}/bin/wsgatectl", text, flags=re.M))
        said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy)
        assert "wsgated" not in said, said


def test_the_exposure_of_the_unit_is_low(installed):
    for unit in units(installed):
        said = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said).group(1))
        assert exposure <= 2.0, said


def test_the_user_and_folders_are_declared(installed):
    _, prefix = installed
    sysusers = (prefix / "lib/sysusers.d/wsgated.conf").read_text()
    assert re.search(r"^u\s+wsgated\s", sysusers, re.M)
    assert (prefix / "lib/tmpfiles.d/wsgated.conf").read_text().strip()


def test_the_example_of_the_manual_is_in_the_repository():
    assert (ROOT / "etc/wsgated.conf").is_file()
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_no_path_of_the_build_is_in_what_is_installed(installed):
    root, _ = installed
    for path in root.rglob("*"):
        if path.suffix in (".conf", ".service", ".pc") or "man" in pathlib.PurePath(path).parts and path.is_file():
            assert str(ROOT).encode() not in path.read_bytes(), path
