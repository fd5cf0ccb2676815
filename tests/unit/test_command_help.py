"""The help of every command comes from one place, is laid out in the same way, and its examples can be run."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import import_module

import pytest

from harness import __version__
from harness.cli import COMMANDS, _parser, main


def module_of(command):
    """The module of a command."""
    return import_module(f"harness.cli.{command}{'_' if command == 'import' else ''}")


def examples_of(command):
    """The commands in the examples, without their explanations and without what a shell does with the output."""
    lines = [line.strip() for line in module_of(command).EXAMPLES.splitlines() if line.startswith("  harness ")]
    return [re.split(r"\s{2,}|\s>|\s\|", line)[0] for line in lines]


def help_of(command, capsys):
    """What ``harness COMMAND --help`` prints, with single spaces."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert 0 == ended.value.code
    return " ".join(capsys.readouterr().out.split())


def options_of(command):
    """The options and arguments of a command."""
    parser = _parser([command])
    (commands,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [action for action in commands.choices[command]._actions if action.dest != "help"]


def test_the_version_is_the_packages(capsys):
    """``harness --version`` prints the version and nothing else."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (0, f"harness {__version__}\n") == (ended.value.code, capsys.readouterr().out)


def test_help_lists_every_command(capsys):
    """Each command has one line, and the exit codes are explained."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, summary in COMMANDS.items():
        assert f"{name} {summary}" in text
    assert "10 marginal" in text
    assert "12 no verdict" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(command, capsys):
    """Its help has a description in sentences, examples and the exit codes."""
    text = help_of(command, capsys)
    assert module_of(command).HELP.endswith(".")
    assert " ".join(module_of(command).HELP.split()) in text
    assert "examples: harness " in text
    assert "exit codes: 0 pass" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_a_command_can_be_run(command):
    """Every example is accepted by the command's own options."""
    assert examples_of(command)
    for example in examples_of(command):
        words = shlex.split(example)[1:]
        assert command == words[0]
        _parser(words).parse_args(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_does(command):
    """Help is a phrase without a capital and without a full stop, and it is never only a default."""
    for option in options_of(command):
        assert option.help, option.dest
        assert not option.help.startswith("(default"), option.dest
        assert not option.help.endswith("."), option.dest


def test_defaults_are_shown_as_they_are(capsys):
    """A default is written once, in the code."""
    assert "number of runs if no bundles are given (default: 5)" in help_of("calibrate", capsys)
    assert "files, folders or node ids of pytest (default: scenarios)" in help_of("run", capsys)
    assert "print the manifests and send nothing --remove-leftovers" in help_of("load", capsys)


def test_an_option_means_the_same_everywhere():
    """--out is the folder of recorded runs, --save the file that a command writes, --config the configuration."""
    meanings = {"--out": ("FOLDER", None), "--save": ("FILE", None), "--target": (None, None)}
    for command in COMMANDS:
        for option in options_of(command):
            for name in meanings.keys() & set(option.option_strings):
                if (command, name) == ("history", "--out"):
                    continue  # it reads the folder of runs as its argument, and writes pages to --out
                metavar, default = meanings[name]
                assert metavar == option.metavar, (command, name)
                assert default is None or default == str(option.default), (command, name)


MISTAKES = {
    "an unknown command": ["plann"],
    "an unknown option": ["plan", "--nosuch"],
    "no configuration": ["plan"],
    "no configuration to run": ["up"],
    "a configuration that is missing": ["plan", "--config", "nosuch.yaml"],
    "a configuration to check that is missing": ["config", "check", "--config", "nosuch.yaml"],
    "a configuration to calibrate with that is missing": ["calibrate", "--config", "nosuch.yaml"],
    "a bundle to judge that is missing": ["judge", "nosuch"],
    "a bundle to show that is missing": ["show", "nosuch"],
    "bundles to learn from that are missing": ["calibrate", "nosuch"],
    "requests that are missing": ["judge", "--baseline", "nosuch.csv", "--canary", "nosuch.csv"],
    "metric pairs that are missing": ["judge", "--kayenta", "nosuch.json", "--metrics", "nosuch.json"],
    "a configuration to import that is missing": ["import", "kayenta", "nosuch.json"],
    "a load profile that is missing": ["load", "nosuch", "--url", "http://127.0.0.1:1"],
    "scenarios that are missing": ["run", "nosuch"],
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=list(MISTAKES))
def test_the_same_mistake_has_the_same_exit_code(words, tmp_path, monkeypatch, capsys):
    """In every command, naming something that does not exist is wrong usage."""
    monkeypatch.chdir(tmp_path)
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert 2 == code, capsys.readouterr().err


def test_a_summary_is_a_phrase():
    """All summaries in the list of commands have the same form."""
    for name, summary in COMMANDS.items():
        assert summary[0].islower(), name
        assert not summary.endswith("."), name
        assert len(summary) <= 80, name
