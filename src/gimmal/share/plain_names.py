"""Names of the plainest kind, about which nothing has to be found out.

They begin with no dot, as all names of gimmal's own do, hold nothing that is mapped or refused, no colon, and are
short. Another name is not worse, but has to be looked at more closely.
"""

from __future__ import annotations

import re

_FORM = r"[A-Za-z0-9_][A-Za-z0-9 _.+,=@()~#%&!\[\]{}$^'-]{0,199}"

plain_wire_name = re.compile(_FORM).fullmatch
"""The match of a component of a wire path, or None."""

plain_local_name = re.compile(_FORM.encode()).fullmatch
"""The match of a name on the disk, which then is the same on the wire; or None."""
