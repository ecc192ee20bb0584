"""The one error of this package."""


class TestbedError(Exception):
    """A host or what it is built from could not be made, reached or removed.

    The text is meant for a person: it names what was tried and what was answered.
    """

    # pytest would otherwise try to collect a class of this name.
    __test__ = False
