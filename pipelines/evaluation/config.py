"""Sections of params.yaml that several stages read."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from esrgan_core.bounds import check_bounds
from esrgan_core.metric_names import LOWER_IS_BETTER, NEED_WEIGHTS, WEIGHT_FILES, check_metric_names


@dataclass(frozen=True, kw_only=True, slots=True)
class ChooseConfig:
    """Which alpha of the grid is taken."""

    metric: str = "niqe"
    """The best by this, of those that `evaluate` measures, among alphas that keep the bounds."""
    psnr_y_loss: float | None = None
    """dB of PSNR-Y that it may be below the grid's best; None for no bound."""
    rmse_y: float | None = None
    """Most RMSE-Y, like 11.5, 12.5 or 16 of PIRM 2018's regions; None for no bound."""

    def __post_init__(self) -> None:
        """Refuse bounds that nothing or everything keeps."""
        check_metric_names([self.metric])
        check_bounds(self, "psnr_y_loss", "rmse_y")

    def check_measured(self, metrics: Iterable[str]) -> None:
        """Refuse a rule by what is not measured.

        Raises:
            ValueError: naming what `evaluate.metrics` lacks.
        """
        wanted = {self.metric, *(["rmse_y"] if self.rmse_y is not None else [])}
        if missing := wanted - set(metrics):
            raise ValueError(
                f"interpolate.choose goes by {sorted(missing)}, which evaluate.metrics lacks"
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
        """Refuse what is no interpolation."""
        given = [] if self.alpha is None else [self.alpha]
        if bad := [alpha for alpha in (*self.alphas, *given) if not 0 <= alpha <= 1]:
            raise ValueError(f"alpha must lie in [0, 1], got {bad}")
        if any(math.copysign(1, alpha) < 0 for alpha in (*self.alphas, *given)):
            raise ValueError("alpha -0.0 must be written 0.0")  # names and tables tell them apart
        if len(set(self.alphas)) < len(self.alphas):
            raise ValueError(f"alphas names one twice: {self.alphas}")
        if {0, 1} - set(self.alphas):
            raise ValueError(f"alphas must hold 0 and 1, got {self.alphas}")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Section `evaluate`."""

    metrics: list[str]
    """By name; those of the registry's rules, psnr_y and niqe, must be among them."""
    weight_files: Mapping[str, str] = field(default_factory=dict)
    """Paths of what LPIPS needs, by the names `alexnet`, `vgg16`, `lpips_alex` and `lpips_vgg`;
    what is not named is downloaded once. Each with its hash (see `pinned`)."""
    ma_scores: str = ""
    """CSV with columns model, set, name, ma: adds `pi` where it has a score for every image. With
    its hash (see `pinned`)."""

    def __post_init__(self) -> None:
        """Refuse a metric that does not exist, and the lack of one that decides."""
        check_metric_names(self.metrics)
        if missing := {"psnr_y", "niqe"} - set(self.metrics):
            raise ValueError(f"metrics must have {sorted(missing)}, which register decides by")
        if unknown := self.weight_files.keys() - set(WEIGHT_FILES):
            raise ValueError(
                f"weight_files has {sorted(unknown)}, which no metric reads; "
                f"there are {', '.join(WEIGHT_FILES)}"
            )

    @property
    def measured(self) -> list[str]:
        """The metrics, and the perceptual index where there are Ma's scores for it."""
        return [*self.metrics, *(["pi"] if self.ma_scores else [])]

    @property
    def perceptual(self) -> list[str]:
        """Those of the metrics that tell how natural or alike images look."""
        return [name for name in self.metrics if name in {"niqe", *NEED_WEIGHTS}]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterConfig:
    """Section `register`."""

    model: str = "esrgan"
    """Name in the MLflow registry."""
    metric: str = "niqe"
    """The perceptual metric that decides; one that `evaluate` measures."""
    min_gain: float = 0.0
    """By which its mean at the default alpha must be better than the champion's."""
    set_tolerance: float = 0.05
    """Part of the champion's value by which it may be worse on any one set."""
    psnr_y_tolerance: float = 0.1
    """dB of mean PSNR-Y at alpha 0 by which a new champion may fall short of the old one."""

    def __post_init__(self) -> None:
        """Refuse what is no perceptual metric, and negative bounds."""
        if self.metric not in LOWER_IS_BETTER or self.metric.startswith("rmse"):
            raise ValueError(f"metric must be niqe, lpips, lpips_vgg or pi, got {self.metric!r}")
        if not self.model.strip() or set(self.model) & set("/:"):
            raise ValueError(
                f"model must be a name without / and :, as MLflow takes it, got {self.model!r}"
            )
        check_bounds(self, "min_gain", "set_tolerance", "psnr_y_tolerance")

    def check_measured(self, metrics: Iterable[str]) -> None:
        """Refuse a decision by what is not measured.

        Raises:
            ValueError: naming what `evaluate` lacks.
        """
        if self.metric not in metrics:
            lacking = "ma_scores" if self.metric == "pi" else "metrics"
            raise ValueError(
                f"register.metric = {self.metric}, which evaluate does not measure; add it by "
                f"evaluate.{lacking}, or decide by another"
            )


def improves(metric: str, new: float, old: float) -> float:
    """By how much a value is better than another; negative where it is worse."""
    return old - new if metric in LOWER_IS_BETTER else new - old
