"""The command line as a whole: statuses, faults in words, and help."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import gateway as module
from gateway.cli import COMMANDS, gateway
from gateway.cli.options import Id
from tests.unit.command import Run, script

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["a/b.txt", "--ip", "300.0.0.0/8"], "300.0.0.0/8", id="network"),
        pytest.param(["../b.txt"], "../b.txt", id="path-above"),
        pytest.param(["a\udcff"], "", id="path-not-UTF-8"),
        pytest.param(["a", "--expires", "0s"], "at least one second", id="no-life"),
        pytest.param(["a", "--rate", "9" * 30], "", id="rate-past-all-integers"),
    ],
)
def test_senseless_claims_are_one_clear_line(
    run: Run, arguments: list[str], words: str
) -> None:
    """A link that makes no sense is not made, and its maker is told why."""
    ran = run("sign", "--expires", "1h", *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("gateway: ")
    assert ran.err.count("\n") == 1
    assert words in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["sign"], "give either PATH or --upload", id="no-path"),
        pytest.param(["sign", "a", "b"], "unexpected extra argument", id="two-paths"),
        pytest.param(["sign", "a", "--expires", "soon"], "'soon'", id="bad-expiry"),
        pytest.param(
            ["sign", "a", "--no-expiry", "--not-before", "7d"], "'7d'", id="bad-begin"
        ),
        pytest.param(["sign", "a", "--no-expiry", "--rate", "0"], "0", id="rate-0"),
        pytest.param(["sign", "a", "--no-expiry", "--nope"], "--nope", id="option"),
        pytest.param(["keys", "nope"], "nope", id="subcommand"),
        pytest.param(["serve", "--bind", "8080"], "HOST:PORT", id="bind"),
        pytest.param(["serve", "--bind", ":0"], "HOST:PORT", id="port-0"),
        pytest.param(["serve", "--bind", ":65536"], "HOST:PORT", id="port-65536"),
    ],
)
def test_wrong_usage_is_status_2(run: Run, arguments: list[str], words: str) -> None:
    """Usage faults are told apart from refusals, and name what is wrong."""
    ran = run(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"GATEWAY_KEYS": ""}, "GATEWAY_KEYS: is not set", id="no-keys"),
        pytest.param(
            {"GATEWAY_FILES": "nowhere"}, "nowhere is not a folder", id="no-files"
        ),
        pytest.param(
            {"GATEWAY_KEYS": "", "GATEWAY_KEYS_FILE": "/nowhere"},
            "No such file",
            id="no-key-file",
        ),
    ],
)
def test_a_faulty_setting_is_one_clear_line(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    words: str,
) -> None:
    """Nothing is signed with settings that can't be right."""
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    ran = run("sign", "a/b.txt", "--expires", "1h")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("gateway: GATEWAY_")
    assert ran.err.count("\n") == 1
    assert words in ran.err


def test_two_faulty_settings_are_two_lines(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All faults are told at once: mending one must not bring up the next."""
    monkeypatch.setenv("GATEWAY_GRACE", "soon")
    monkeypatch.setenv("GATEWAY_FILES", "nowhere")
    ran = run("sign", "a/b.txt", "--expires", "1h")
    named = [line.split(":")[1].strip() for line in ran.err.splitlines()]
    assert (ran.status, sorted(named)) == (1, ["GATEWAY_FILES", "GATEWAY_GRACE"])


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["keys", "list"], id="list"),
        pytest.param(["keys", "new", "--add"], id="add"),
        pytest.param(["sign", "a", "--no-expiry"], id="sign"),
    ],
)
def test_a_damaged_ring_is_one_clear_line(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    """A ring file cut short or overwritten stops every command in words."""
    monkeypatch.delenv("GATEWAY_KEYS")
    Path("var").mkdir()
    Path("var/keys").write_bytes(b"a:short")
    ran = run(*arguments)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("gateway: ")
    assert ran.err.count("\n") == 1
    assert Path("var/keys").read_bytes() == b"a:short"


def test_a_folder_that_can_not_be_written_is_one_clear_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system refuses is passed on in its words, with the name."""
    monkeypatch.delenv("GATEWAY_KEYS")
    monkeypatch.setenv("GATEWAY_DATA", "/dev/null/data")
    ran = run("keys", "new", "--add")
    assert (ran.status, ran.out) == (1, "")
    assert "Not a directory" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("option", ["--help", "-h"], ids=str)
def test_every_command_explains_itself(run: Run, option: str) -> None:
    """Help needs no settings and goes to stdout."""
    commands = [[], *([name] for name in COMMANDS), ["keys", "new"], ["keys", "list"]]
    for words in commands:
        ran = run(*words, option)
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith(f"Usage: {' '.join(['gateway', *words])}")


#: Commands that print nothing when they have done what they were told to do.
SILENT = {
    "drops revoke",
    "files delete",
    "reload",
    "secrets rotate",
    "shares revoke",
    "tokens revoke",
    "users disable",
    "users mail",
    "users passwd",
    "users unlock",
}


def test_every_command_that_prints_can_print_json() -> None:
    """But for ``serve``, which goes on and whose output is the log."""
    plain = {
        name
        for name, command in commands(gateway)
        if "--json" not in {o for option in command.params for o in option.opts}
    }
    assert plain == {*SILENT, "serve"}


def test_every_id_that_is_bytes_is_one_clear_line(run: Run) -> None:
    """Parameters that take ids have one type, which refuses what is not UTF-8."""
    found = {
        f"{name} {parameter.opts[0]}": parameter.type
        for name, command in commands(gateway)
        for parameter in command.params
        if parameter.metavar in {"ID", "RECIPIENT", "[SHARE]"}
    }
    assert len(found) > 10
    assert {name for name, kind in found.items() if not isinstance(kind, Id)} == set()
    ran = run("tokens", "revoke", "\udcff")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "gateway: an argument or a file name is not valid UTF-8\n"


def commands(
    group: click.Group, before: str = ""
) -> Iterator[tuple[str, click.Command]]:
    """Give every command with its name as it is typed."""
    for word in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), word)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{word} ")
        else:
            yield f"{before}{word}", command


def test_the_console_script_fails_in_one_line(tmp_path: Path) -> None:
    """A real process ends as ``main`` does: status 1, one line, no traceback."""
    failed = script(
        *("gateway", "sign", "a", "--no-expiry"), GATEWAY_DATA=str(tmp_path)
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        f"gateway: GATEWAY_KEYS: is not set, and there is no {tmp_path}/keys; is "
        "GATEWAY_DATA right? For a new gateway, create it with: "
        "gateway keys new --add\n"
    )


def test_without_its_dependencies_the_command_names_one(tmp_path: Path) -> None:
    """A site that installs the library alone gets the script all the same."""
    (tmp_path / "gateway").symlink_to(Path(module.__file__).parent)
    failed = subprocess.run(
        [sys.executable, "-S", "-c", "import gateway.__main__ as m; m.main()"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        "gateway: the command needs the package click, which is not installed: "
        "install accel-gateway[server]; gateway.links signs without it\n"
    )


def test_the_console_script_is_that_module() -> None:
    """Both ways of starting it say the same."""
    [script] = entry_points(group="console_scripts", name="gateway")
    assert script.value == "gateway.__main__:main"
