"""Words with a fixed set of meanings, as the contract names them without their prefix."""

from enum import StrEnum


class FlowRunView(StrEnum):
    """How much of a run is read."""

    BASIC = "BASIC"
    """Everything but parameters, context, job variables and the data of the state."""
    FULL = "FULL"
    """Everything."""


class FlowRunSort(StrEnum):
    """The order of a list of flow runs. Runs without a value come last, ties are broken by id."""

    ID_DESC = "ID_DESC"
    """The newest first."""
    START_TIME_ASC = "START_TIME_ASC"
    """By start time, or by expected start time for runs that have not started."""
    START_TIME_DESC = "START_TIME_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    """By name in code point order."""
    NAME_DESC = "NAME_DESC"
    NEXT_SCHEDULED_START_TIME_ASC = "NEXT_SCHEDULED_START_TIME_ASC"
    END_TIME_DESC = "END_TIME_DESC"


class FlowSort(StrEnum):
    """The order of a list of flows. Ties are broken by id."""

    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    CREATED_DESC = "CREATED_DESC"
    """Newest first."""
    UPDATED_DESC = "UPDATED_DESC"
    """Last changed first."""


class DeploymentView(StrEnum):
    """How much of a deployment is read."""

    BASIC = "BASIC"
    """Everything but the parameters, their schema, the job variables and the pull steps."""
    FULL = "FULL"
    """Everything."""


class DeploymentSort(StrEnum):
    """The order of a list of deployments. Ties are broken by id."""

    NAME_ASC = "NAME_ASC"
    """By name in code point order."""
    NAME_DESC = "NAME_DESC"
    CREATED_DESC = "CREATED_DESC"
    """Newest first."""
    UPDATED_DESC = "UPDATED_DESC"
    """Last changed first."""


class DeploymentStatus(StrEnum):
    """Whether a worker asks for the runs of a deployment."""

    READY = "READY"
    """A worker asks for them."""
    NOT_READY = "NOT_READY"
    """No worker has asked, or none for a while."""
    UNKNOWN = "UNKNOWN"
    """A status that is newer than this client."""


class TaskRunView(StrEnum):
    """How much of a task run is read."""

    BASIC = "BASIC"
    """Everything but the data of the state."""
    FULL = "FULL"
    """Everything."""


class TaskRunSort(StrEnum):
    """The order of a list of task runs. Those without a value come last, ties are broken by id."""

    ID_DESC = "ID_DESC"
    """The newest first."""
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    """By name in code point order."""
    NAME_DESC = "NAME_DESC"
    NEXT_SCHEDULED_START_TIME_ASC = "NEXT_SCHEDULED_START_TIME_ASC"
    END_TIME_DESC = "END_TIME_DESC"


class TaskInputKind(StrEnum):
    """Where a value that was handed to a task came from."""

    TASK_RUN = "TASK_RUN"
    """It is the result of another task run."""
    PARAMETER = "PARAMETER"
    """It is a parameter of the flow run."""
    CONSTANT = "CONSTANT"
    """It stands in the code."""
    UNKNOWN = "UNKNOWN"
    """A kind that is newer than this client."""


class GraphNodeKind(StrEnum):
    """What stands behind a node of a graph."""

    TASK_RUN = "TASK_RUN"
    """A task run."""
    FLOW_RUN = "FLOW_RUN"
    """A subflow run, in the place of the task run that stands for it."""
    UNKNOWN = "UNKNOWN"
    """A kind that is newer than this client."""


class WaitMode(StrEnum):
    """Which of several runs must have ended for a wait to be over."""

    ALL = "ALL"
    """Every run."""
    ANY = "ANY"
    """At least one run."""


class WatchUntil(StrEnum):
    """What ends a watch by itself. Only for watches of runs named by id."""

    ALL_TERMINAL = "ALL_TERMINAL"
    """Every run that is watched is in a terminal state or deleted."""
    ANY_TERMINAL = "ANY_TERMINAL"
    """At least one run that is watched is in a terminal state or deleted."""


class VerdictStatus(StrEnum):
    """The answer to a proposed state."""

    ACCEPT = "ACCEPT"
    """The proposed state was written."""
    REJECT = "REJECT"
    """It was not; go on from the state in the answer, which may have been written in its place."""
    ABORT = "ABORT"
    """Nothing was written, and the proposer should stop what it is doing."""
    WAIT = "WAIT"
    """Nothing was written. Propose the same state again after the delay."""


class RetryType(StrEnum):
    """Who brings a run back after a retry was granted."""

    IN_PROCESS = "IN_PROCESS"
    """The process that ran it waits and tries again by itself."""
    RESCHEDULE = "RESCHEDULE"
    """A worker picks the run up once it is due."""
    UNKNOWN = "UNKNOWN"
    """A kind that is newer than this client."""


class DatabaseKind(StrEnum):
    """Which database a server stands on."""

    SQLITE = "SQLITE"
    POSTGRESQL = "POSTGRESQL"
    UNKNOWN = "UNKNOWN"
    """A kind that is newer than this client."""


class WorkStatus(StrEnum):
    """Whether somebody works on a work pool or a work queue."""

    READY = "READY"
    """Somebody does."""
    NOT_READY = "NOT_READY"
    """Nobody does."""
    PAUSED = "PAUSED"
    """It is paused."""
    UNKNOWN = "UNKNOWN"
    """A status that is newer than this client."""


class WorkerStatus(StrEnum):
    """Whether a worker reports."""

    ONLINE = "ONLINE"
    """It does."""
    OFFLINE = "OFFLINE"
    """It does not."""
    UNKNOWN = "UNKNOWN"
    """A status that is newer than this client."""
