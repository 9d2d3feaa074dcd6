"""What holds for the names of spans and attributes."""

from services.runtime.telemetry import names


def test_no_attribute_is_the_namespace_of_another() -> None:
    # A store that makes objects of the dots could keep only one of the two.
    listed = [
        each for each in vars(names).values() if isinstance(each, names.Attribute)
    ]
    assert listed
    clashes = [
        (one, other)
        for one in listed
        for other in listed
        if other.startswith(f"{one}.")
    ]
    assert not clashes
