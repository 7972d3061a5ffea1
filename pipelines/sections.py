"""Sections of params.yaml that several stages read."""

from dataclasses import dataclass

from esrgan_core.metrics import insist_known


@dataclass(frozen=True, kw_only=True, slots=True)
class InterpolateConfig:
    """Section `interpolate`."""

    alphas: list[float]
    """The grid; 0 is the pretrained network, 1 the fine-tuned one."""
    alpha: float
    """The default of the registered model."""

    def __post_init__(self) -> None:
        """Refuse what is no interpolation."""
        if bad := [alpha for alpha in (*self.alphas, self.alpha) if not 0 <= alpha <= 1]:
            raise ValueError(f"alpha must lie in [0, 1], got {bad}")
        if {0, 1} - set(self.alphas):
            raise ValueError(f"alphas must hold 0 and 1, got {self.alphas}")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Section `evaluate`."""

    metrics: list[str]
    """By name; those of the registry's rules, psnr_y and niqe, must be among them."""

    def __post_init__(self) -> None:
        """Refuse a metric that does not exist, and the lack of one that decides."""
        insist_known(self.metrics)
        if missing := {"psnr_y", "niqe"} - set(self.metrics):
            raise ValueError(f"metrics must have {sorted(missing)}, which register decides by")
