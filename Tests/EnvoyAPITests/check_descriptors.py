"""Holds our trimmed .proto files against the descriptors of PyPI's xds-protos, and protobuf's own.

Whatever ours declare has to be there too: messages, fields with number, type, label and oneof, enum values, methods.
"""

import importlib
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool

root = pathlib.Path(sys.argv[1])
files = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
files = [file for file in files if not file.startswith("ballast/")]  # our own
problems = []
messages = 0

for file in files:
    importlib.import_module(file.removesuffix(".proto").replace("/", ".") + "_pb2")
theirs = descriptor_pool.Default()

with tempfile.NamedTemporaryFile() as out:
    subprocess.run(["protoc", f"-I{root}", f"--descriptor_set_out={out.name}", "--include_imports", *files], check=True)
    ours = descriptor_pb2.FileDescriptorSet.FromString(out.read())


def upstream(kind, find, name):
    try:
        return find(name)
    except KeyError:
        problems.append(f"{name}: there is no such {kind}")


def check_enum(enum, name):
    if their := upstream("enum", theirs.FindEnumTypeByName, name):
        for value in enum.value:
            if value.name not in their.values_by_name or their.values_by_name[value.name].number != value.number:
                problems.append(f"{name}.{value.name} = {value.number}: not so upstream")


def describe(field, oneof):
    return {
        "number": field.number, "type": field.type, "label": field.label,
        "of": field.type_name.removeprefix("."), "oneof": oneof,
    }


def check_message(message, name):
    global messages
    messages += 1
    descriptor = upstream("message", theirs.FindMessageTypeByName, name)
    if not descriptor:
        return
    their = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(their)

    def fields(of):
        return {
            field.name: describe(field, of.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None)
            for field in of.field
        }

    upstream_fields = fields(their)
    for field, mine in fields(message).items():
        if upstream_fields.get(field) != mine:
            problems.append(f"{name}.{field}: ours {mine}, upstream {upstream_fields.get(field)}")
    for nested in message.nested_type:
        check_message(nested, f"{name}.{nested.name}")
    for enum in message.enum_type:
        check_enum(enum, f"{name}.{enum.name}")


def check_service(service, name):
    if their := upstream("service", theirs.FindServiceByName, name):
        for method in service.method:
            other = their.methods_by_name.get(method.name)
            if not other or (
                method.input_type.removeprefix("."), method.output_type.removeprefix("."),
                method.client_streaming, method.server_streaming,
            ) != (
                other.input_type.full_name, other.output_type.full_name, other.client_streaming, other.server_streaming,
            ):
                problems.append(f"{name}.{method.name}: not so upstream")


for file in ours.file:
    for message in file.message_type:
        check_message(message, f"{file.package}.{message.name}")
    for enum in file.enum_type:
        check_enum(enum, f"{file.package}.{enum.name}")
    for service in file.service:
        check_service(service, f"{file.package}.{service.name}")

print(*problems, sep="\n")
print(f"{messages} messages agree" if not problems else f"{len(problems)} differences")
sys.exit(1 if problems else 0)
