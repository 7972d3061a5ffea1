"""Distance between images in the feature space of a frozen network (ESRGAN section 3.3)."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss


class PerceptualLoss(nn.Module):
    """Weighted sum over layers of the mean absolute difference of features."""

    def __init__(self, features: nn.Module, layer_weights: Mapping[str, float]) -> None:
        """`features` maps images to tensors by the layer names of `layer_weights`."""
        super().__init__()
        self.features = features
        self.layer_weights = dict(layer_weights)

    def forward(
        self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, ""]:
        """The loss of `sr` against `hr`, both in [0, 1]; no gradient flows to `hr`."""
        of_sr = self.features(sr)
        of_hr = self.features(hr.detach())
        total: Tensor = sum(  # type: ignore[assignment]  # at least one layer: never the int 0
            weight * l1_loss(of_sr[layer], of_hr[layer])
            for layer, weight in self.layer_weights.items()
        )
        return total
