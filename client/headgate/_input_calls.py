"""The calls on the inputs of flow runs: one method for each of the contract that is no stream."""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import from_new_input, to_input
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.models import CreatedFlowRunInput, FlowRunInput, Id, NewFlowRunInput, Page
from headgate.states import Json


class InputCalls:
    """The calls on the inputs of flow runs that are no streams."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.FlowRunInputServiceStub(transport.calls)

    async def create(
        self,
        flow_run_id: Id,
        key: str,
        value: Json,
        *,
        sender: str | None = None,
        timeout: timedelta | None = None,
    ) -> CreatedFlowRunInput:
        """Leave an input with a flow run, in whatever state the run is.

        Args:
            flow_run_id: The run.
            key: The key, unique within the run: lower-case letters, digits and dashes.
            value: The value, at most 1 MiB of JSON.
            sender: Who leaves the input, free text.
            timeout: How long the call may take.

        Raises:
            FlowRunNotFoundError: There is no such run.
            InputKeyExistsError: The key is taken.
            ValueError: The value is not JSON.
        """
        request = pb.CreateFlowRunInputRequest(
            flow_run_id=str(flow_run_id),
            input=from_new_input(NewFlowRunInput(key=key, value=value, sender=sender)),
        )
        answer = await self._transport.call(self._stub.CreateFlowRunInput, request, timeout)
        return CreatedFlowRunInput(input=to_input(answer.input), revision=answer.revision)

    async def get(
        self, flow_run_id: Id, key: str, *, timeout: timedelta | None = None
    ) -> FlowRunInput:
        """Read one input.

        Args:
            flow_run_id: The run.
            key: The key, exactly.
            timeout: How long the call may take.

        Raises:
            FlowRunInputNotFoundError: There is none.
        """
        request = pb.GetFlowRunInputRequest(flow_run_id=str(flow_run_id), key=key)
        answer = await self._transport.call(self._stub.GetFlowRunInput, request, timeout)
        return to_input(answer.input)

    async def delete(self, flow_run_id: Id, key: str, *, timeout: timedelta | None = None) -> int:
        """Delete one input.

        Args:
            flow_run_id: The run.
            key: The key, exactly.
            timeout: How long the call may take.

        Returns:
            The revision of the change.

        Raises:
            FlowRunInputNotFoundError: There is none.
        """
        request = pb.DeleteFlowRunInputRequest(flow_run_id=str(flow_run_id), key=key)
        answer = await self._transport.call(self._stub.DeleteFlowRunInput, request, timeout)
        return answer.revision

    def iterate(
        self,
        flow_run_id: Id,
        *,
        key_prefix: str = "",
        exclude_keys: Iterable[str] = (),
        page_size: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[FlowRunInput, None]:
        """Yield all inputs of a flow run from oldest to newest, reading page after page.

        Args:
            flow_run_id: The run. One that does not exist has no inputs.
            key_prefix: Text that the keys begin with, exactly. Empty: all.
            exclude_keys: Keys to leave out, at most 1,000.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        excluded = tuple(exclude_keys)
        return across_pages(
            lambda token: self.list(
                flow_run_id,
                key_prefix=key_prefix,
                exclude_keys=excluded,
                page_size=page_size,
                page_token=token,
                timeout=timeout,
            )
        )

    async def list(
        self,
        flow_run_id: Id,
        *,
        key_prefix: str = "",
        exclude_keys: Iterable[str] = (),
        page_size: int = 0,
        page_token: str = "",
        timeout: timedelta | None = None,
    ) -> Page[FlowRunInput]:
        """Read one page of the inputs of a flow run, from oldest to newest.

        Args:
            flow_run_id: The run. One that does not exist has no inputs.
            key_prefix: Text that the keys begin with, exactly. Empty: all.
            exclude_keys: Keys to leave out, at most 1,000.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListFlowRunInputsRequest(
            flow_run_id=str(flow_run_id),
            key_prefix=key_prefix,
            exclude_keys=exclude_keys,
            page_size=page_size,
            page_token=page_token,
        )
        answer = await self._transport.call(self._stub.ListFlowRunInputs, request, timeout)
        return Page(
            items=tuple(to_input(each) for each in answer.inputs),
            next_page_token=answer.next_page_token,
        )
