"""Keep Locust's pytest plugin out of sessions that do not ask for it.

Locust is the load generator, so it is installed wherever the harness is. Its plugin is meant for locustfiles in the
style of pytest. It adds the fixtures ``session`` and ``fastsession`` and the option ``--host`` to every pytest session,
and a conftest.py that defines ``--host`` too then fails. A session asks for it with ``-p locust``, PYTEST_PLUGINS or
``pytest_plugins``, which all still work.

Pytest loads installed plugins in the order in which it finds them. If it finds ours first, Locust's is blocked until
all of them are loaded. Otherwise Locust's is unregistered, and its fixtures and its option are removed. Pytest has no
public function to remove an option; if a future version keeps its options in another place, the option stays and
``addopts = -p no:locust`` is needed. All of this uses private parts of pytest, whose types are Any here.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

_NAME = "locust"
_OPTION = frozenset({"--host", "-H"})
_DEST = "host"


def keep_out(pluginmanager: pytest.PytestPluginManager, parser: pytest.Parser) -> None:
    """Block Locust's plugin, or remove it with its option, unless it was asked for or is blocked already."""
    config: Any = pluginmanager.get_plugin("pytestconfig")
    if _NAME in _asked_for(config) or pluginmanager.is_blocked(_NAME):
        return
    loaded = pluginmanager.unregister(name=_NAME)
    if loaded is not None:
        _remove_fixtures(loaded)
        _remove_option(parser, config)
    pluginmanager.set_blocked(_NAME)
    pluginmanager.register(_Unblock(), "harness-locust")


class _Unblock:
    """Lets a conftest.py ask for the plugin, once the installed plugins are loaded."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        """Lift our own block."""
        early_config.pluginmanager.unblock(_NAME)


def _asked_for(config: Any) -> set[str]:
    """Return the plugins that the command line, the settings or the environment name."""
    return {*config.known_args_namespace.plugins, *os.environ.get("PYTEST_PLUGINS", "").split(",")}


def _remove_fixtures(plugin: Any) -> None:
    """Empty the module: pytest looks for fixtures in every plugin that was ever registered.

    A later import, for example because a conftest.py asks for the plugin, loads the module again.
    """
    sys.modules.pop(plugin.__name__, None)
    for name in [name for name in vars(plugin) if not name.startswith("__")]:
        delattr(plugin, name)


def _remove_option(parser: Any, config: Any) -> None:
    """Remove --host from pytest's parser, if Locust's plugin added it; another plugin may have been faster."""
    group = getattr(parser, "_anonymous", None)
    options = getattr(group, "options", [])
    option = next((one for one in options if set(one.names()) == _OPTION and not one.attrs().get("help")), None)
    if option is None:
        return
    options.remove(option)
    if hasattr(config.option, _DEST):
        delattr(config.option, _DEST)  # or the default of another --host would not count
    _remove_action(parser, group)


def _remove_action(parser: Any, group: Any) -> None:
    """Remove --host from the parser of argparse, which pytest fills at once since version 9."""
    arguments, shown = getattr(parser, "optparser", None), getattr(group, "_arggroup", None)
    if arguments is None or shown is None:
        return
    action = arguments._option_string_actions.get("--host")  # noqa: SLF001 - argparse has no public way either
    shown._remove_action(action)  # noqa: SLF001
    for name in _OPTION:
        arguments._option_string_actions.pop(name, None)  # noqa: SLF001
        parser._opt2dest.pop(name, None)  # noqa: SLF001
