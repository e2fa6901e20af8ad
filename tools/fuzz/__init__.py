"""The fuzzer: random commands through a real engine with the real plug-in (docs/design/fuzzer.md). `make fuzz`."""
