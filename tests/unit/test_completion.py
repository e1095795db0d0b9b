"""Tab, in the shells that the readme names."""

from __future__ import annotations

import shutil

import pytest

from tests.unit.command import script

WORDS = [
    pytest.param("gateway ", {"serve", "sign", "inspect", "keys"}, id="commands"),
    pytest.param("gateway sign a --exp", {"--expires"}, id="option-after-path"),
    pytest.param("gateway keys list --js", {"--json"}, id="option-of-subcommand"),
]

BASH = """
eval "$(_GATEWAY_COMPLETE=bash_source gateway)"
complete -p gateway
IFS=' ' read -ra COMP_WORDS <<< "$LINE"
[[ $LINE == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_gateway_completion gateway
printf 'offer %s\\n' "${COMPREPLY[@]}"
"""

# Without a terminal zsh has no completion widgets: what they are given is shown.
ZSH = """
compdef() { print -r -- "complete $1 $2"; }
compadd() { print -rl -- "offer ${(@)^completions}"; }
_describe() {
    print -rl -- "offer ${(@)^completions_with_descriptions%%:*}"
}
eval "$(_GATEWAY_COMPLETE=zsh_source gateway)"
words=("${(@s: :)LINE}")
CURRENT=$#words
_gateway_completion
"""


def offered(shell: str) -> set[str]:
    lines = shell.splitlines()
    return {line.removeprefix("offer ") for line in lines if line.startswith("offer ")}


@pytest.mark.parametrize(("line", "expected"), WORDS)
def test_bash_completes(line: str, expected: set[str]) -> None:
    """The line for ``~/.bashrc`` makes Tab offer commands and options."""
    ran = script("bash", "--norc", "--noprofile", "-c", BASH, LINE=line)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "-F _gateway_completion gateway" in ran.stdout
    assert expected <= offered(ran.stdout)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(("line", "expected"), WORDS[:1])
def test_zsh_completes(line: str, expected: set[str]) -> None:
    """The line for ``~/.zshrc`` makes Tab offer commands and options."""
    ran = script("zsh", "-f", "-c", ZSH, LINE=line)
    assert ran.stderr == ""
    assert "complete _gateway_completion gateway" in ran.stdout
    assert expected <= offered(ran.stdout)


def test_a_word_that_fits_nothing_is_completed_to_nothing() -> None:
    """Where there is nothing to offer, nothing is, and no error is shown."""
    ran = script(
        "gateway",
        _GATEWAY_COMPLETE="bash_complete",
        COMP_WORDS="gateway xyz",
        COMP_CWORD="1",
    )
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "", "")


def test_an_option_that_does_not_fit_is_not_offered() -> None:
    """An option's prefix narrows what is offered to those that begin so."""
    ran = script(
        "gateway",
        _GATEWAY_COMPLETE="bash_complete",
        COMP_WORDS="gateway sign --na",
        COMP_CWORD="2",
    )
    assert ran.stdout == "plain,--name\n"
