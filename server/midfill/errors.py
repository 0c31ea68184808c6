"""The exceptions that Midfill raises on purpose.

MidfillError                  every message says what went wrong and what to do next
|-- UsageError                the user asked for something that cannot be (bad path, position, action)
|-- ModelError                a model file
|   |-- ModelMissing          it is not on this machine yet
|   |-- ModelCorrupt          its bytes are not the ones the catalogue promises
|   `-- FetchError            it could not be downloaded
|-- EngineError               the inference engine failed
|   |-- LoadError             a model could not be loaded
|   `-- HostLost              the process that runs the models has gone
`-- EditRejected              no edit could be trusted; the message is the reason
"""


class MidfillError(Exception):
    """Base of all; `str(error)` is one line for the user."""


class UsageError(MidfillError):
    """The request itself is wrong: no such file, a position outside it, an unknown action."""


class ModelError(MidfillError):
    """Something about a model file."""


class ModelMissing(ModelError):
    """The model is known but not on this machine."""


class ModelCorrupt(ModelError):
    """The file's size or SHA-256 differs from the catalogue's."""


class FetchError(ModelError):
    """No source of the catalogue could deliver the file."""


class EngineError(MidfillError):
    """The inference engine could not do its work."""


class LoadError(EngineError):
    """The model file is there but cannot be loaded."""


class HostLost(EngineError):
    """The process that runs the models has gone, and the work with it."""


class EditRejected(MidfillError):
    """The model's edit failed verification; the message says why in one sentence."""
