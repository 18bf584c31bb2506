"""The composition root: settings → adapters → services → application. The only part that knows every other.

Wiring is plain constructors: `people` builds the identity room, `house` all the others around it, `app` the HTTP application,
`process` the server process.
"""

from alcove.main.app import ROOMS, create_app
from alcove.main.people import AccountDesk, open_desk
from alcove.main.process import examine, run

__all__ = ["ROOMS", "AccountDesk", "create_app", "examine", "open_desk", "run"]
