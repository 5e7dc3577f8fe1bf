"""A server on loopback that keeps vLLM's rules for completions in tokens and for adapters, and samples from a toy.

Rules: an unknown model or adapter is 404; adapters change at run time only where the environment allows it; a name is
loaded once; what is loaded over a name in place goes on answering from the name's cache; beyond `max_loras` the adapter
that was used least recently leaves the slots, is read from its folder again when it is asked for, and cannot be
unloaded; log-probabilities
are raw or processed, by how the server was started.

As a script it takes the command line of vLLM's server, as far as that matters here.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

LETTERS = tuple(b"abcdefgh")
END = 256
WEIGHTS = "adapter_model.safetensors"

Logits = Callable[[Sequence[int], bytes], dict[int, float]]


def toy_logits(ids: Sequence[int], weights: bytes) -> dict[int, float]:
    """Next-token logits that depend on the sequence and on the bytes of the adapter."""
    logits = {}
    for token in (*LETTERS, END):
        digest = blake2b(bytes(str([list(ids[-3:]), token]), "ascii") + weights, digest_size=4).digest()
        logits[token] = int.from_bytes(digest, "big") / 2**31
    return logits


def log_softmax(logits: dict[int, float], temperature: float = 1.0) -> dict[int, float]:
    scaled = {token: value / temperature for token, value in logits.items()}
    top = max(scaled.values())
    norm = top + math.log(sum(math.exp(value - top) for value in scaled.values()))
    return {token: value - norm for token, value in scaled.items()}


class No(Exception):
    """A request that is refused; `body` is what vLLM would answer."""

    def __init__(self, status: int, message: str, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status = status
        self.body: Any = {"error": {"message": message, "type": kind, "param": None, "code": status}}


@dataclass
class Slot:
    """A name: the folder it was loaded from, and the weights that its cache was filled with."""

    folder: Path
    weights: bytes


@dataclass
class FakeVLLM:
    """The server; a context manager.

    Attributes:
        requests: path and body of what was posted, in order of arrival.
        slots: adapters by name, the least recently used first.
        reads: folders from which adapters were read, in order.
    """

    model: str = "toy"
    allow_updates: bool = True
    enable_lora: bool = True
    max_loras: int = 4
    processed: bool = True
    logits: Logits = toy_logits
    encode: Callable[[list[dict[str, Any]]], list[int]] | None = None
    decode: Callable[[list[int]], str] | None = None
    end: int = END
    token_ids: bool = True
    key: str | None = None
    requests: list[tuple[str, Any]] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)
    known: dict[str, Path] = field(default_factory=dict)
    reads: list[Path] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def forget(self) -> None:
        """What a restart does to adapters."""
        self.slots.clear()
        self.known.clear()

    def sampled_by(self) -> list[str]:
        """The models that completions were asked of, in order."""
        return [body["model"] for path, body in self.requests if path == "/v1/completions"]

    def answer(self, path: str, body: Any) -> Any:
        with self._lock:
            self.requests.append((path, body))
            match path:
                case "/tokenize":
                    return {"tokens": self._encode(body["messages"]), "count": 0, "max_model_len": 512}
                case "/v1/completions":
                    return self._complete(body)
                case "/v1/load_lora_adapter" if self.allow_updates and self.enable_lora:
                    return self._load(body)
                case "/v1/unload_lora_adapter" if self.allow_updates and self.enable_lora:
                    return self._unload(body)
            refusal = No(404, "Not Found")
            refusal.body = {"detail": "Not Found"}
            raise refusal

    # -- adapters ----------------------------------------------------------------------------------------------------

    def _load(self, body: Any) -> str:
        name, folder = body["lora_name"], Path(body["lora_path"])
        if name in self.known and not body.get("load_inplace"):
            raise No(400, f"The lora adapter '{name}' has already been loaded.", "InvalidUserInput")
        if not (folder / WEIGHTS).exists():
            raise No(404, f"Loading lora {name} failed: No adapter found for {folder}", "NotFoundError")
        self.known[name] = folder
        if name not in self.slots:  # in place, the cache of the name stays as it was
            self._read(name, folder)
        return f"Success: LoRA adapter '{name}' added successfully."

    def _unload(self, body: Any) -> str:
        name = body["lora_name"]
        if name not in self.known:
            raise No(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
        if name not in self.slots:
            raise No(500, f"Failed to remove lora adapter '{name}' from the engine.", "InternalServerError")
        del self.known[name], self.slots[name]
        return f"Success: LoRA adapter '{name}' removed successfully."

    def _read(self, name: str, folder: Path) -> bytes:
        if not (folder / WEIGHTS).exists():
            raise No(404, f"Loading lora {name} failed: No adapter found for {folder}", "NotFoundError")
        self.reads.append(folder)
        while len(self.slots) >= self.max_loras:
            del self.slots[next(iter(self.slots))]
        self.slots[name] = Slot(folder, (folder / WEIGHTS).read_bytes())
        return self.slots[name].weights

    def _weights(self, name: str) -> bytes:
        if name == self.model:
            return b""
        if name not in self.known:
            raise No(404, f"The model `{name}` does not exist.", "NotFoundError")
        if name not in self.slots:
            return self._read(name, self.known[name])
        self.slots[name] = self.slots.pop(name)  # now the one used last
        return self.slots[name].weights

    # -- completions -------------------------------------------------------------------------------------------------

    def _encode(self, messages: list[dict[str, Any]]) -> list[int]:
        if self.encode is not None:
            return self.encode(messages)
        return list("".join(f"{each['role']}: {each['content']}\n" for each in messages).encode())

    def _decode(self, ids: list[int]) -> str:
        ids = [token for token in ids if token != END]
        return bytes(ids).decode() if self.decode is None else self.decode(ids)

    def _complete(self, body: Any) -> Any:
        weights = self._weights(body["model"])
        prompt = body["prompt"]
        if not isinstance(prompt, list):
            raise No(400, "this test server takes prompts in tokens")
        chance = random.Random(body.get("seed"))
        ids: list[int] = []
        logprobs, likeliest = [], []
        while len(ids) < body["max_tokens"] and self.end not in ids:
            logits = self.logits([*prompt, *ids], weights)
            temperature = body["temperature"]
            sampled = log_softmax(logits, temperature or 1.0)
            token = (
                chance.choices(list(sampled), [math.exp(value) for value in sampled.values()])[0]
                if temperature
                else max(sampled, key=sampled.__getitem__)
            )
            reported = sampled if self.processed else log_softmax(logits)
            ids.append(token)
            logprobs.append(reported[token])
            top = sorted(reported.items(), key=lambda item: -item[1])[: max(1, body.get("logprobs") or 0)]
            likeliest.append({f"token_id:{each}": value for each, value in top})
        choice: dict[str, Any] = {
            "index": 0,
            "text": self._decode(ids),
            "finish_reason": "stop" if self.end in ids else "length",
            "logprobs": {"token_logprobs": logprobs, "top_logprobs": likeliest, "tokens": [], "text_offset": []},
        }
        if body.get("return_token_ids") and self.token_ids:
            choice |= {"token_ids": ids, "prompt_token_ids": prompt}
        return {"id": "cmpl-1", "object": "text_completion", "model": body["model"], "choices": [choice]}


def _handler(server: FakeVLLM) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path == "/health":
                self._send(200, "")
            else:
                self._send(404, {"detail": "Not Found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if server.key is not None and self.headers.get("authorization") != f"Bearer {server.key}":
                self._send(401, {"error": "Unauthorized"})
                return
            try:
                self._send(200, server.answer(self.path, body))
            except No as refusal:
                self._send(refusal.status, refusal.body)

        def _send(self, status: int, body: Any) -> None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", required=True)
    for flag in ("--model", "--served-model-name", "--host", "--logprobs-mode"):
        parser.add_argument(flag, required=True)
    for flag in ("--port", "--max-loras", "--max-lora-rank"):
        parser.add_argument(flag, type=int, required=True)
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--fail", action="store_true")
    flags = parser.parse_args(arguments)
    if flags.fail:
        sys.exit("ValueError: no such device")
    FakeVLLM(
        model=flags.served_model_name,
        allow_updates=os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "True",
        enable_lora=flags.enable_lora,
        max_loras=flags.max_loras,
        processed=flags.logprobs_mode == "processed_logprobs",
        port=flags.port,
    ).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
