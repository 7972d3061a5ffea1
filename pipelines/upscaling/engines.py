"""The choice of the engine, from tests that are kept for each machine and network."""

import hashlib
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from esrgan_core.files import atomic_path
from esrgan_core.inference.config import UpscaleConfig
from esrgan_core.inference.engines.selection import EngineProbe, probe_ncnn, resolve_engine
from esrgan_core.machine import default_threads, find_machine
from esrgan_core.models.network_state import NetworkState
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.errors import as_user_error
from pipelines.runtime.state import is_in_repository, state_root

PROBES = "engine_probes.json"
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that limit the instructions of torch."""


def choose_engine(
    config: UpscaleConfig, network: NetworkState, log: Callable[[str], None]
) -> UpscaleConfig:
    """Replace the engine `auto` by the one to use.

    Raises:
        UserError: if the device cannot be used.
    """

    def probe(network: NetworkState) -> EngineProbe:
        path = _cache() / PROBES
        known = _read(path)
        found = known.get(key := _key(network))
        if found is None:
            log("comparing the engines torch and ncnn, once for this network and machine")
            found = known[key] = probe_ncnn(network)
            with atomic_path(path) as temporary:
                content = {name: asdict(probe) for name, probe in known.items()}
                temporary.write_text(to_json(content, indent=2), encoding="utf-8")
        log(
            f"engine {found.engine}: ncnn takes {1 / found.speedup:.2f} of torch's time and "
            f"differs by at most {found.difference:.0e}"
        )
        return found

    with as_user_error():
        engine = resolve_engine(
            config.engine, network, device=config.device, precision=config.precision, probe=probe
        )
    return replace(config, engine=engine)


def _cache() -> Path:
    """The state root, or the user's cache outside of a repository."""
    if is_in_repository():
        return state_root()
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "esrgan"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _read(path: Path) -> dict[str, EngineProbe]:
    try:
        content = from_json(path.read_text(encoding="utf-8"))
        return {key: EngineProbe(**values) for key, values in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # it can be made again


def _key(network: NetworkState) -> str:
    """What the results of a test depend on; the same whether torch is imported or not."""
    flags = " ".join(sorted(find_machine().flags or ()))
    limits = (f"{name}={value}" for name in LIMITS if (value := os.environ.get(name)))
    return " ".join(
        [
            platform.node(),
            hashlib.sha256(flags.encode()).hexdigest()[:8],
            *limits,
            f"{default_threads()} threads",
            f"torch-{version('torch')}",
            f"ncnn-{version('ncnn')}",
            network.digest,
        ]
    )
