"""Shells complete the commands, options and values of this version."""

import subprocess

import pytest

from harness.cli import COMMANDS, main
from harness.cli.completion import SHELLS


def completed(script, *words):
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    code = f"""{script}
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
$(complete -p harness | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_every_command(shell, capsys):
    """Every command and its options are in the script."""
    assert 0 == main(["completion", shell])
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    assert "harness-target" not in script
    assert "from-cluster" in script


def test_bash_completes_commands_options_and_values(capsys):
    """The script is run by bash itself."""
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert ["plan"] == completed(script, "harness", "pl")
    assert "--dependency" in completed(script, "harness", "init", "--dep")
    assert {"local", "cluster"} == set(completed(script, "harness", "run", "--target", ""))
