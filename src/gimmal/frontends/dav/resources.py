"""Files and folders of the other side as resources of WebDAV."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVCollection, DAVNonCollection
from wsgidav.util import parse_if_header_dict, parse_time_string

from gimmal.frontends.dav.targets import wire_path
from gimmal.frontends.stream.conditions import Validators
from gimmal.frontends.stream.content_types import content_type_of
from gimmal.protocol.messages import Attributes
from gimmal.remote.files import version_of

if TYPE_CHECKING:
    from gimmal.frontends.dav.provider import Provider

Environ = dict[str, Any]

_QUOTA = {"{DAV:}quota-available-bytes": "free", "{DAV:}quota-used-bytes": "used"}


class _Changing:
    """What files and folders have in common where they are changed."""

    path: str
    environ: Environ
    provider: Provider

    def set_last_modified(self, dest_path: str, time_stamp: str | None, *, dry_run: bool) -> bool:
        """Set the time of change to a date of HTTP, as Windows and GNOME do after writing."""
        seconds = parse_time_string(time_stamp or "")
        if seconds is None:
            raise DAVError(HTTPStatus.BAD_REQUEST, "no date")
        if not dry_run:
            self.provider.set_time(self.path, int(seconds) * 1_000_000_000)
        return True

    def set_property_value(self, name: str, value: Any, *, dry_run: bool = False) -> Any:
        """See wsgidav; what Windows wants to know of a file and nobody keeps is taken, and its end too."""
        if value is None and name.startswith("{urn:schemas-microsoft-com:}"):
            return True
        return super().set_property_value(name, value, dry_run=dry_run)  # type: ignore[misc]

    def handle_delete(self) -> bool:
        """Remove it with all below it; refused where somebody else has locked anything of it."""
        resource: Any = self
        self.check_unlocked()
        self.provider.remove(resource)
        self.forget()
        return True

    def check_unlocked(self) -> None:
        """Raises DAVError where it, or anything below it, is locked by a lock that the request does not name."""
        resource: Any = self
        if "wsgidav.conditions.if" not in self.environ:
            parse_if_header_dict(self.environ)
        self.provider.lock_manager.check_write_permission(
            url=resource.get_ref_url(),
            depth="infinity",
            token_list=self.environ["wsgidav.ifLockTokenList"],
            principal=self.environ["wsgidav.user_name"],
        )

    def forget(self) -> None:
        """It is gone: its locks and properties too, with those of all below it."""
        resource: Any = self
        resource.remove_all_locks(recursive=True)
        resource.remove_all_properties(recursive=True)


class File(_Changing, DAVNonCollection):
    """A file.

    Args:
        path: of the drive, with ``/`` at its beginning.
        environ: of the request that it is looked at for.
        attributes: of the file.
    """

    provider: Provider

    def __init__(self, path: str, environ: Environ, attributes: Attributes) -> None:
        super().__init__(path, environ)
        self.attributes = attributes
        self.validators = Validators(version_of(attributes))

    def get_content_length(self) -> int:
        """Bytes of it."""
        return self.attributes.size

    def get_content_type(self) -> str:
        """Its media type; nothing that a browser would run."""
        return content_type_of(self.path)

    def get_etag(self) -> str:
        """The tag of its version, without the quotes."""
        return self.validators.etag.strip('"')

    def get_last_modified(self) -> float:
        """Seconds since 1970."""
        return _seconds(self.attributes)

    def get_property_value(self, name: str) -> Any:
        """See wsgidav; the tag as it stands in a field."""
        return self.validators.etag if name == "{DAV:}getetag" else super().get_property_value(name)

    def support_etag(self) -> bool:
        """Always."""
        return True

    def support_ranges(self) -> bool:
        """Always."""
        return True

    def get_content(self) -> Any:
        """Contents go another way, see Methods."""
        raise DAVError(HTTPStatus.INTERNAL_SERVER_ERROR)


class Folder(_Changing, DAVCollection):
    """A folder, a share, or the list of shares.

    Args:
        path: of the drive, with ``/`` at its beginning.
        environ: of the request that it is looked at for.
        attributes: of the folder; None for the list of shares.
    """

    provider: Provider

    def __init__(self, path: str, environ: Environ, attributes: Attributes | None) -> None:
        super().__init__(path, environ)
        self.attributes = attributes

    def get_last_modified(self) -> float | None:
        """Seconds since 1970."""
        return None if self.attributes is None else _seconds(self.attributes)

    def get_member_list(self) -> list[File | Folder]:
        """What it holds, but for what cannot be shown."""
        return list(self.provider.members(self.path, self.environ))

    def get_member_names(self) -> list[str]:
        """Their names."""
        return [member.name for member in self.get_member_list()]

    def create_empty_resource(self, name: str) -> File | Folder | None:
        """Make an empty file in it: one that is locked before it is written."""
        path = f"{self.path.rstrip('/')}/{name}"
        self.provider.make_empty(path)
        return self.provider.get_resource_inst(path, self.environ)

    def create_collection(self, name: str) -> None:
        """Make a folder in it."""
        self.provider.make_folder(f"{self.path.rstrip('/')}/{name}")

    def get_property_value(self, name: str) -> Any:
        """See wsgidav; room is asked for only where somebody wants to know."""
        if name in _QUOTA:
            return str(self.provider.room(wire_path(self.path))[_QUOTA[name]])
        return super().get_property_value(name)

    def support_etag(self) -> bool:
        """A folder has no version that could be named."""
        return False


def _seconds(attributes: Attributes) -> float:
    """The time of change; one that no calendar holds as the beginning of 1970."""
    seconds = attributes.mtime_ns // 1_000_000_000
    return float(seconds) if 0 <= seconds < 253_402_300_800 else 0.0
