"""The backend Django loads by the name in ``ENGINE``."""

from typing import Any
from uuid import UUID

import psycopg2
import structlog
import uuid6
from django.conf import settings
from django.db.backends.postgresql import base
from django.utils.asyncio import async_unsafe
from psycopg2.extensions import register_adapter

from orchestrator_project.db import reserve

log = structlog.get_logger(__name__)


class QuotedId:
    """An id as it is written into a statement: an order has hundreds.

    psycopg2 writes the same words in twice the time, and looks for the way to write one of ``uuid7`` anew each time,
    for that is of a class of its own.
    """

    __slots__ = ("_id",)

    def __init__(self, value: UUID) -> None:
        self._id = value

    def getquoted(self) -> bytes:
        """Return it as SQL."""
        return f"'{self._id}'::uuid".encode()


for kind in (UUID, uuid6.UUID):
    register_adapter(kind, QuotedId)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that, refused for want of room, comes from the reserve where that is allowed."""

    is_of_reserve = False  # of the connection it has now

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect as the application; refused for want of connections, as the reserve.

        Raises:
            psycopg2.OperationalError: the server's refusal of the application, also where the reserve is used up.
        """
        self.is_of_reserve = False
        try:
            return super().get_new_connection(conn_params)
        except psycopg2.OperationalError as error:
            user, password = settings.DATABASE_RESERVE
            if not user or not reserve.is_allowed() or not reserve.is_refusal(str(error)):
                raise
            refused = error
        try:
            given = super().get_new_connection(conn_params | {"user": user, "password": password or ""})
        except psycopg2.OperationalError as error:
            log.error("reserve_refused", error=str(error).strip())
            raise refused from None
        self.is_of_reserve = True
        log.warning("reserve_used", why=str(refused).strip().splitlines()[-1])
        return given
