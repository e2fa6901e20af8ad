"""What a user's files say without being asked: the instrument's name, the side of a bar, how fine prices and sizes are.

What belongs here: guesses, which the run prints as such. No Nautilus.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from dolphin.app.columns import BARS, BOOK, QUOTES, TRADES, Columns
from dolphin.app.errors import UserError
from dolphin.sensors.source import is_fx

_COINS: Final = ("USDT", "USDC", "BUSD", "FDUSD", "USD", "EUR", "BTC", "ETH")


def guessed(found: Sequence[Columns]) -> str:
    """An instrument's id from a symbol column, or from the letters that a file's name begins with."""
    word = next((item.symbol for item in found if item.symbol), "")
    if not word:
        match = re.match(r"[A-Za-z]+", found[0].path.name)
        word = match[0] if match else "DATA"
    word = word.upper().replace("-", "/").replace("_", "/")
    if "/" not in word:
        if is_fx(f"{word}.SIM"):
            word = f"{word[:3]}/{word[3:]}"
        else:
            coin = next((coin for coin in _COINS if word.endswith(coin) and len(word) > len(coin) + 1), "")
            if coin:
                word = f"{word[: -len(coin)]}/{coin}"
    return f"{word}.SIM"


def checked_id(name: str) -> str:
    symbol, dot, venue = name.rpartition(".")
    if not dot or not symbol or not venue:
        raise UserError("is no instrument id", field="--instrument", expected="SYMBOL.VENUE, as SPY.XNYS", actual=name)
    return name


def prices(item: Columns) -> np.ndarray:
    words = {
        BARS: ["open", "high", "low", "close"],
        QUOTES: ["bid", "ask"],
        TRADES: ["price"],
        BOOK: ["bid_0", "ask_0"],
    }
    return item.frame[words[item.kind]].to_numpy(dtype="float64").ravel()


def sizes(item: Columns) -> np.ndarray:
    words = {BARS: ["volume"], QUOTES: ["bid_size", "ask_size"], TRADES: ["size"], BOOK: ["bid_size_0", "ask_size_0"]}
    values = item.frame[words[item.kind]].to_numpy(dtype="float64").ravel()
    return values[np.isfinite(values)]


def side(path: Path) -> str:
    words = re.split(r"[^a-z]+", path.name.lower())
    if "bid" in words:
        return "BID"
    if "ask" in words:
        return "ASK"
    return "LAST"
