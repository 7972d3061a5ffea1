"""What of the settings of a training decides its weights, and its names on disk."""

from collections.abc import Mapping

from esrgan_core.records import RECORDS, RecordType, same

TRAINING = same(
    "steps", "patch_size", "batch_size", "seed", "schedule", "ema", "select", "precision",
    "validate_every",
)  # fmt: skip
"""What decides the weights of every training; the rest changes them by rounding at most."""

TRAINING_RECORDS: Mapping[str, RecordType] = {
    **RECORDS,
    "TrainingConfig": RecordType(kind="training", names=TRAINING),
    "PixelTraining": RecordType(
        kind="pixel_training", names=TRAINING | same("loss", "optimizer"), absent={"loss": "l1"}
    ),
    "AdversarialTraining": RecordType(
        kind="adversarial_training",
        names=TRAINING
        | same("gan", "content", "weights", "generator_optimizer", "discriminator_optimizer"),
        absent={"gan": "relativistic_average", "content": "l1"},
    ),
    "SemanticMapsConfig": RecordType(kind="semantic_maps", names=same("maps", "classes", "seed")),
}  # fmt: skip
