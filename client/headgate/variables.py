"""Variables, texts that answers to pauses may refer to by name."""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate._convert import to_variable
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.models import UNSET, Page, Unset, Variable


class Variables:
    """Keeps variables, texts that answers to pauses may refer to by name.

    Every method takes `timeout`, how long the call may take with its repeats (None: the client's
    default), and may raise what any call may: `InvalidRequestError`, `UnavailableError`,
    `OverloadedError`, `DeadlineExceededError`, `InternalError` and `ClientClosedError`.
    """

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.VariableServiceStub(transport.calls)

    async def create(
        self,
        name: str,
        value: str,
        *,
        tags: Iterable[str] = (),
        timeout: timedelta | None = None,
    ) -> Variable:
        """Create a variable.

        Args:
            name: The name: lower-case letters, digits and underscores, 1 to 255 characters.
            value: The value, at most 5,000 characters.
            tags: Labels.
            timeout: How long the call may take.

        Raises:
            VariableExistsError: The name is taken.
        """
        request = pb.CreateVariableRequest(name=name, value=value, tags=tags)
        answer = await self._transport.call(self._stub.CreateVariable, request, timeout)
        return to_variable(answer.variable)

    async def get(self, name: str, *, timeout: timedelta | None = None) -> Variable:
        """Read one variable.

        Args:
            name: The name of the variable.
            timeout: How long the call may take.

        Raises:
            VariableNotFoundError: There is none.
        """
        request = pb.GetVariableRequest(name=name)
        answer = await self._transport.call(self._stub.GetVariable, request, timeout)
        return to_variable(answer.variable)

    async def update(
        self,
        name: str,
        *,
        value: str | Unset = UNSET,
        tags: Iterable[str] | Unset = UNSET,
        timeout: timedelta | None = None,
    ) -> Variable:
        """Change the value or the tags of a variable. What is not given stays.

        Args:
            name: The name of the variable.
            value: The new value, at most 5,000 characters.
            tags: The new tags.
            timeout: How long the call may take.

        Returns:
            The variable as it now stands.

        Raises:
            VariableNotFoundError: There is none.
            InvalidRequestError: Nothing is to be changed, or a value is not allowed.
        """
        request = pb.UpdateVariableRequest(name=name, update_mask=FieldMask())
        if not isinstance(value, Unset):
            request.value = value
            request.update_mask.paths.append("value")
        if not isinstance(tags, Unset):
            request.tags.extend(tags)
            request.update_mask.paths.append("tags")
        answer = await self._transport.call(self._stub.UpdateVariable, request, timeout)
        return to_variable(answer.variable)

    async def delete(self, name: str, *, timeout: timedelta | None = None) -> None:
        """Delete a variable.

        Args:
            name: The name of the variable.
            timeout: How long the call may take.

        Raises:
            VariableNotFoundError: There is none.
        """
        request = pb.DeleteVariableRequest(name=name)
        await self._transport.call(self._stub.DeleteVariable, request, timeout)

    def iterate(
        self, *, name_prefix: str = "", page_size: int = 0, timeout: timedelta | None = None
    ) -> AsyncGenerator[Variable, None]:
        """Yield all variables by name, reading page after page.

        Args:
            name_prefix: Text that the names begin with, exactly. Empty: all.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                name_prefix=name_prefix, page_size=page_size, page_token=token, timeout=timeout
            )
        )

    async def list(
        self,
        *,
        name_prefix: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout: timedelta | None = None,
    ) -> Page[Variable]:
        """Read one page of variables by name.

        Args:
            name_prefix: Text that the names begin with, exactly. Empty: all.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListVariablesRequest(
            name_prefix=name_prefix, page_size=page_size, page_token=page_token
        )
        answer = await self._transport.call(self._stub.ListVariables, request, timeout)
        return Page(
            items=tuple(to_variable(variable) for variable in answer.variables),
            next_page_token=answer.next_page_token,
        )
