"""Who serves models: their addresses, the variable that holds their key, and the hosts that key may be sent to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~%/+-]*)?")
_METADATA = {"100.100.100.200", "168.63.129.16", "fd00:ec2::254"}  # outside the link-local ranges


@dataclass(frozen=True, slots=True)
class Provider:
    """A service that speaks Chat Completions.

    Attributes:
        name: its name for people.
        base_url: its address.
        key_variable: environment variable with its key; None if it needs none.
        hosts: hosts that the key may be sent to, with their subdomains.
        wire_names: our name of a parameter -> its name there, where they differ.
    """

    name: str
    base_url: str
    key_variable: str | None
    hosts: tuple[str, ...] = ()
    wire_names: Mapping[str, str] = field(default_factory=dict[str, str])

    def owns(self, url: str) -> bool:
        """True if `url` is an encrypted address of this provider."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "https" and any(host == own or host.endswith(f".{own}") for own in self.hosts)


OPENAI = Provider(
    "OpenAI",
    "https://api.openai.com/v1",
    "OPENAI_API_KEY",
    ("api.openai.com",),
    {"max_tokens": "max_completion_tokens"},
)

PROVIDERS: Mapping[str, Provider] = {
    "openai": OPENAI,
    "anthropic": Provider("Anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", ("api.anthropic.com",)),
    "cerebras": Provider("Cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", ("api.cerebras.ai",)),
    "deepseek": Provider("DeepSeek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", ("api.deepseek.com",)),
    "google": Provider(
        "Google",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GOOGLE_API_KEY",
        ("generativelanguage.googleapis.com",),
    ),
    "groq": Provider("Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", ("api.groq.com",)),
    "mistral": Provider(
        "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", ("api.mistral.ai",), {"seed": "random_seed"}
    ),
    "moonshot": Provider("Moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", ("api.moonshot.ai",)),
    "openrouter": Provider("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", ("openrouter.ai",)),
    "together": Provider(
        "Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", ("api.together.xyz", "api.together.ai")
    ),
    "xai": Provider("xAI", "https://api.x.ai/v1", "XAI_API_KEY", ("api.x.ai",)),
    "ollama": Provider("Local Ollama", "http://localhost:11434/v1", None),
}


@lru_cache(maxsize=256)
def provider_at(url: str) -> Provider | None:
    """The provider that serves `url`, if it is one we know."""
    return next((one for one in PROVIDERS.values() if one.owns(url)), None)


@lru_cache(maxsize=256)
def provider_of_variable(variable: str | None) -> Provider | None:
    """The provider whose key the environment variable `variable` holds, if it is one we know."""
    return next((one for one in PROVIDERS.values() if variable and one.key_variable == variable), None)


@lru_cache(maxsize=256)
def is_loopback(url: str) -> bool:
    """True if `url` points to this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_link_local(address: str) -> bool:
    """True if `address` is one at which machines of a cloud are served their credentials, or only their neighbours."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return ip.is_link_local or str(ip) in _METADATA


def checked_url(url: str) -> str:
    """`url`, if a server's address can look like that.

    Raises:
        ValueError: it cannot; the message does not repeat a URL that may hold a password or key.
    """
    if "@" in url:
        raise ValueError("must not hold a user name or password; name the variable of the key in api_key_env_var")
    if "?" in url or "#" in url:
        raise ValueError("must end with its path, without ? or #; name the variable of the key in api_key_env_var")
    if not _URL.fullmatch(url):
        raise ValueError(f"must look like https://host/v1 or http://localhost:8000/v1, got {url!r}")
    if url.rstrip("/").endswith("/chat/completions"):
        raise ValueError(f"must end before /chat/completions, got {url!r}")
    host = ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.port != 0
        if ":" in host or host.replace(".", "").isdigit():
            ipaddress.ip_address(host)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"holds an address or port that cannot be one, got {url!r}")
    if is_link_local(host):
        raise ValueError(f"must not be a link-local address, which serves no models, got {url!r}")
    return url
