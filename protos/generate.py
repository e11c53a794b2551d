"""Make the Python stubs in `client/headgate/v1` from the contract.

Run it as `make generate`. The toolchain is pinned in `pyproject.toml`: stubs load on runtimes as new as or newer than the
compiler that made them, so an older compiler serves more users.
"""

import sys
from collections.abc import Iterable
from importlib.resources import files as resource_files
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).parent
CLIENT = PROTOS.parent / "client"
PACKAGE = CLIENT / "headgate" / "v1"
SEARCH = [f"--proto_path={path}" for path in (PROTOS, resource_files("grpc_tools") / "_proto")]
PLUGINS = [
    f"--plugin={name}={Path(sys.executable).parent / name}"
    for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
]


def main() -> None:
    """Replace the package of stubs by a fresh one, once that is complete."""
    with TemporaryDirectory(dir=CLIENT) as made:
        generate(Path(made))
        rmtree(PACKAGE, ignore_errors=True)
        (Path(made) / "headgate" / "v1").rename(PACKAGE)


def generate(target: Path) -> None:
    """Make the package of stubs below a folder."""
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("headgate/v1/*.proto"))
    services = [file for file in files if file.endswith("_service.proto")]
    descriptors = target / "descriptors.bin"
    compile_protos([f"--python_out={target}", f"--mypy_out=quiet:{target}", *files])
    compile_protos([f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}", *services])
    compile_protos([f"--descriptor_set_out={descriptors}", *files])
    gathered = FileDescriptorSet.FromString(descriptors.read_bytes())
    (target / "headgate" / "v1" / "__init__.py").write_text(gather(gathered.file))


def compile_protos(arguments: list[str]) -> None:
    """Run protoc with these arguments, and stop if it fails."""
    if code := protoc.main(["protoc", *SEARCH, *PLUGINS, *arguments]):
        raise SystemExit(code)


def gather(files: Iterable[FileDescriptorProto]) -> str:
    """Return the source of a module that holds every name of the contract."""
    lines = []
    for file in files:
        module = file.name.removesuffix(".proto").replace("/", ".")
        enums = [
            name for enum in file.enum_type for name in (enum.name, *(v.name for v in enum.value))
        ]
        messages = [message.name for message in file.message_type]
        stubs = [f"{s.name}{kind}" for s in file.service for kind in ("Stub", "Servicer")]
        adders = [f"add_{service.name}Servicer_to_server" for service in file.service]
        lines += [f"from {module}_pb2 import {name} as {name}" for name in enums + messages]
        lines += [f"from {module}_pb2_grpc import {name} as {name}" for name in stubs + adders]
    return (
        '"""Every name of the contract: `from headgate import v1 as pb`."""\n\n'
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
