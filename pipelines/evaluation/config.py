"""Sections of params.yaml that several stages read."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from esrgan_core.bounds import check_bounds
from esrgan_core.metric_names import LOWER_IS_BETTER, NEED_WEIGHTS, WEIGHT_FILES, check_metric_names
from pipelines.config.errors import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class ChooseConfig:
    """How to choose an alpha of the grid."""

    metric: str = "niqe"
    """The alpha with the best value is chosen; `evaluate` must measure this metric."""
    psnr_y_loss: float | None = None
    """Bound: dB of PSNR-Y below the grid's best; None for no bound."""
    rmse_y: float | None = None
    """Bound: largest RMSE-Y, like 11.5, 12.5 or 16 in PIRM 2018; None for no bound."""

    def __post_init__(self) -> None:
        check_metric_names([self.metric])
        check_bounds(self, "psnr_y_loss", "rmse_y")

    def check_measured(self, metrics: Iterable[str]) -> None:
        """Raise a `UserError` if `evaluate` does not measure the metrics of this rule."""
        needed = {self.metric} if self.rmse_y is None else {self.metric, "rmse_y"}
        if missing := needed - set(metrics):
            raise UserError(
                f"interpolate.choose needs {sorted(missing)}; add it to evaluate.metrics"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class InterpolateConfig:
    """Section `interpolate`."""

    alphas: list[float]
    """The grid; 0 is the pretrained network, 1 the fine-tuned one."""
    alpha: float | None = None
    """The default of the registered model; None to choose it on the validation images."""
    choose: ChooseConfig = field(default_factory=ChooseConfig)

    def __post_init__(self) -> None:
        given = [*self.alphas, *([] if self.alpha is None else [self.alpha])]
        if bad := [alpha for alpha in given if not 0 <= alpha <= 1]:
            raise ValueError(f"alpha must be in [0, 1], got {bad}")
        if any(math.copysign(1, alpha) < 0 for alpha in given):
            raise ValueError("write 0.0 instead of -0.0")  # file names would differ
        if len(set(self.alphas)) < len(self.alphas):
            raise ValueError(f"alphas must differ, got {self.alphas}")
        if {0, 1} - set(self.alphas):
            raise ValueError(f"alphas must contain 0 and 1, got {self.alphas}")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Section `evaluate`."""

    metrics: list[str]
    """Names; psnr_y and niqe, which `register` uses, must be among them."""
    weight_files: Mapping[str, str] = field(default_factory=dict)
    """Files for LPIPS by name, with their hashes (see `pinned`): `alexnet`, `vgg16`, `lpips_alex`
    and `lpips_vgg`. Files that are not given are downloaded once."""
    ma_scores: str = ""
    """CSV file with its hash (see `pinned`) and columns model, set, name, ma; adds `pi`."""

    def __post_init__(self) -> None:
        check_metric_names(self.metrics)
        if missing := {"psnr_y", "niqe"} - set(self.metrics):
            raise ValueError(f"metrics must contain {sorted(missing)}, which register uses")
        if unknown := self.weight_files.keys() - set(WEIGHT_FILES):
            raise ValueError(
                f"weight_files must be among {', '.join(WEIGHT_FILES)}, got {sorted(unknown)}"
            )

    @property
    def measured(self) -> list[str]:
        """The metrics, and the perceptual index if there are Ma's scores."""
        return [*self.metrics, *(["pi"] if self.ma_scores else [])]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterConfig:
    """Section `register`."""

    model: str = "esrgan"
    """Name in the MLflow registry."""
    metric: str = "niqe"
    """The perceptual metric that decides; `evaluate` must measure it."""
    min_gain: float = 0.0
    """Least improvement of its mean over the champion, at the default alpha."""
    set_tolerance: float = 0.05
    """Allowed loss on any one set, as a fraction of the champion's value."""
    psnr_y_tolerance: float = 0.1
    """Allowed loss of mean PSNR-Y at alpha 0, in dB."""

    def __post_init__(self) -> None:
        if self.metric not in {"niqe", "pi", *NEED_WEIGHTS}:
            raise ValueError(f"metric must be niqe, lpips, lpips_vgg or pi, got {self.metric!r}")
        if not self.model.strip() or set(self.model) & set("/:"):
            raise ValueError(f"model must be a name without / and :, got {self.model!r}")
        check_bounds(self, "min_gain", "set_tolerance", "psnr_y_tolerance")

    def check_measured(self, metrics: Iterable[str]) -> None:
        """Raise a `UserError` if `evaluate` does not measure the metric that decides."""
        if self.metric not in metrics:
            key = "ma_scores" if self.metric == "pi" else "metrics"
            raise UserError(
                f"evaluate does not measure register.metric = {self.metric}; add it by "
                f"evaluate.{key}, or choose another metric"
            )


def improvement(metric: str, new: float, old: float) -> float:
    """How much better `new` is than `old`; negative if it is worse."""
    return old - new if metric in LOWER_IS_BETTER else new - old
