"""The holes of plain Nautilus, with and without Dolphin (docs/guide/holes.md). `make holes`."""
