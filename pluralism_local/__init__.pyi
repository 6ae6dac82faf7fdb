"""The package's names with their types, which `__init__.py` loads when they are used."""

from pluralism_local.answers import Answer as Answer
from pluralism_local.answers import Answers as Answers
from pluralism_local.api import Session as Session
from pluralism_local.api import open as open
from pluralism_local.errors import EngineFailure as EngineFailure
from pluralism_local.errors import InvalidInput as InvalidInput
from pluralism_local.errors import NotFound as NotFound
from pluralism_local.errors import PlocalError as PlocalError
from pluralism_local.errors import Refused as Refused
from pluralism_local.errors import RemoteFailure as RemoteFailure
from pluralism_local.errors import Unsupported as Unsupported

__version__: str
