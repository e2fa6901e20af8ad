"""A user's strategy by name: `module:Class` or `file.py:Class`, with its configuration.

What belongs here: importing, finding the configuration class beside the strategy, filling in instrument and bar type,
and saying where its own code failed. The strategy is not changed and is told nothing of Dolphin.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dolphin.app.errors import UserError, meant

if TYPE_CHECKING:
    from dolphin.app.data import Market

EXAMPLE = "examples/trend.py:Trend"


def example(name: str) -> Path:
    """A file of examples/: beside the package's repo, or below the working directory."""
    for root in (Path(__file__).resolve().parents[3], Path.cwd()):
        path = root / "examples" / name
        if path.is_file():
            return path
    raise UserError(
        f"examples/{name} is not here: it comes with the repo, not with the package",
        fix="run in a clone of the repo, or name your own with --strategy and --bars",
    )


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        if "" not in sys.path:
            sys.path.insert(0, "")
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise UserError(f"there is no module {error.name!r}", field="--strategy", fix="module:Class") from error
        except Exception as error:
            raise _failed("cannot be imported", error, name) from error
    path = example(name.removeprefix("examples/")) if name == EXAMPLE.partition(":")[0] else Path(name)
    spec = importlib.util.spec_from_file_location(f"dolphin_strategy_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError("there is no such file", path=path, field="--strategy", fix="file.py:Class or module:Class")
    module = importlib.util.module_from_spec(spec)
    # Configuration classes look their annotations up in sys.modules.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failed("cannot be imported", error, path) from error
    return module


def _failed(what: str, error: Exception, path: object) -> UserError:
    """A fault of the strategy's own code, with its last line there."""
    line = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    if isinstance(error, SyntaxError):
        path, line = error.filename or path, error.lineno
    return UserError(f"{what}: {type(error).__name__}: {error}", path=path, line=line, field="--strategy")


@contextmanager
def blamed(strategy: type) -> Iterator[None]:
    """An exception that passed through the strategy's own file ends the run as its fault, not as one of Dolphin's."""
    path = getattr(sys.modules.get(strategy.__module__), "__file__", None)
    try:
        yield
    except Exception as error:
        if path in [frame.filename for frame in traceback.extract_tb(error.__traceback__)]:
            raise _failed("the strategy failed, and with it the run", error, path) from error
        raise


def _class(module: Any, name: str, what: str) -> Any:
    found = getattr(module, name, None)
    if found is None:
        known = [word for word in vars(module) if not word.startswith("_")]
        raise UserError(
            f"{module.__name__} has no {what} {name!r}", field="--strategy", fix=meant(name, known) or "module:Class"
        )
    return found


def factory(spec: str, settings: Mapping[str, Any]) -> Callable[[Market], Any]:
    """A function that makes the strategy for a market. UserError names what is missing."""
    name, colon, word = spec.rpartition(":")
    if not colon or not name or not word:
        raise UserError("names no strategy", field="--strategy", expected="module:Class or file.py:Class", actual=spec)
    module = _module(name)
    strategy = _class(module, word, "strategy")
    config = _class(module, f"{word}Config", "configuration class")
    accepted = tuple(config.__struct_fields__)
    for key in settings:
        if key not in accepted:
            raise UserError(
                "unknown setting of the strategy", field=key, expected=" | ".join(accepted), actual=key,
                fix=meant(key, accepted),
            )  # fmt: skip

    def make(market: Market) -> Any:
        given = dict(settings)
        for key, value in (("instrument_id", market.traded), ("bar_type", market.bar_type)):
            if key in accepted:
                given.setdefault(key, str(value))
        try:
            import msgspec

            return strategy(config.parse(msgspec.json.encode(given)))
        except (TypeError, ValueError) as error:
            raise UserError(f"the strategy's settings are refused: {error}", field="[strategy]") from error

    return make
