"""Famous failures as data: files that say what happened and what must come of it, a reader, and runners by engine.

`python -m tools.scenarios` runs them; docs/design/scenarios.md has the format. `form` reads, `market` makes rows,
`backtest` runs, `seen` says what came of it, `judge` compares; an engine of another kind registers in `engines`.
"""
