"""Distance between images in the feature space of a frozen network (ESRGAN section 3.3)."""

from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss


class PerceptualLoss(nn.Module):
    """Weighted sum over layers of a distance of features, by default the mean absolute one."""

    def __init__(
        self,
        features: nn.Module,
        layer_weights: Mapping[str, float],
        distance: Callable[[Tensor, Tensor], Tensor] = l1_loss,
    ) -> None:
        """`features` maps images to tensors by layer name.

        The `distance` of SRGAN is the mean squared one (Ledig et al. 2017, eq. 5).
        """
        super().__init__()
        self.features, self.distance = features, distance
        self.layer_weights = dict(layer_weights)

    def forward(
        self, sr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, ""]:
        """The loss of `sr` against `hr`, both in [0, 1]; no gradient flows to `hr`."""
        of_sr, of_hr = self.features(sr), self.features(hr.detach())
        total: Tensor = sum(  # type: ignore[assignment]  # at least one layer: never the int 0
            weight * self.distance(of_sr[layer], of_hr[layer])
            for layer, weight in self.layer_weights.items()
        )
        return total
