"""A loopback exchange that speaks Binance's USDT-futures protocol, with faults that a test declares.

    with Exchange() as exchange:                    # a thread, 127.0.0.1, a free port
        exchange.fault(kind="lose", on="POST /fapi/v1/order", count=3)
        ...                                         # a client trades on exchange.url
        exchange.tape.orders()                      # every request and event that there was

What belongs here: the matching (`book`), what the protocol looks like (`words`, `rest`, `streams`), what goes wrong
(`faults`), what happened (`tape`), and the server that holds them together (`exchange`). `node` builds a TradingNode
that trades on it. docs/design/loopback.md says how near it is to the venue.
"""

from tests.loopback.exchange import Exchange

__all__ = ["Exchange"]
