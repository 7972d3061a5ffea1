from dataclasses import fields

from pipelines.upscaling.jobs import Output
from pipelines.upscaling.journal import UPSCALING_RECORDS


def test_the_record_of_an_output_has_all_its_fields() -> None:
    record = UPSCALING_RECORDS["Output"]
    assert record.names.keys() == {field.name for field in fields(Output)}
    assert record.absent.keys() <= set(record.names.values())
