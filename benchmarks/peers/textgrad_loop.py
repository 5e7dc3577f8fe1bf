"""TextGrad itself on the programs of `programs.py`; prints one JSON object. Run by `textgrad_loop.py`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=["batch", "chain"])
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--trainable_inputs", action="store_true")
    args = parser.parse_args()
    os.environ["TEXTGRAD_DISABLE_LOGGING"] = "1"

    import programs
    import textgrad as tg

    engine: Any = tg.get_engine("ollama-loopback")
    engine("Hello?")  # whatever the client does on its first call is not counted
    if args.program == "batch":
        times = programs.batch(tg, engine, args.size, trainable_inputs=args.trainable_inputs)
    else:
        times = programs.chain(tg, engine, args.size)
    json.dump(times.as_dict() | {"version": importlib.metadata.version("textgrad"), "warm_up": 1}, sys.stdout)


if __name__ == "__main__":
    main()
