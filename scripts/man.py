#!/usr/bin/env python3
"""Writes manual pages, one for each command: scripts/man.py [PROGRAM [DIRECTORY]].

PROGRAM is .build/release/ballast by default, DIRECTORY .build/man.
"""
import json
import pathlib
import subprocess
import sys

program = sys.argv[1] if len(sys.argv) > 1 else ".build/release/ballast"
directory = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".build/man")


def roff(text):
    """Escapes what roff would read as a request."""
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in (text or "").replace("\\", "\\e").replace("-", "\\-").split("\n"))


def label(argument):
    names = [("--" if name["kind"] == "long" else "-") + name["name"] for name in argument.get("names", [])]
    value = "" if argument["kind"] == "flag" else argument.get("valueName", "value").upper()
    return (", ".join(names) + (" " + value if names and value else "")) or value


def pages(command, parents):
    name = " ".join(parents + [command["commandName"]])
    arguments = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True)]
    lines = [f'.TH "{name.upper().replace(" ", "-")}" 1', ".SH NAME", f"{roff(name)} \\- {roff(command.get('abstract', ''))}"]
    lines += [".SH SYNOPSIS", f".B {roff(name)}"]
    lines += [("[" if a.get("isOptional") else "") + roff(label(a)) + ("]" if a.get("isOptional") else "") for a in arguments]
    if command.get("discussion"):
        lines += [".SH DESCRIPTION", roff(command["discussion"])]
    if arguments:
        lines.append(".SH OPTIONS")
        for argument in arguments:
            lines += [".TP", f"\\fB{roff(label(argument))}\\fR", roff(argument.get("abstract", "") or " ")]
    commands = [c for c in command.get("subcommands", []) if c["commandName"] != "help"]
    if commands:
        lines.append(".SH COMMANDS")
        for inner in commands:
            lines += [".TP", f"\\fB{roff(inner['commandName'])}\\fR", roff(inner.get("abstract", ""))]
    (directory / f"{name.replace(' ', '-')}.1").write_text("\n".join(lines) + "\n")
    for inner in commands:
        pages(inner, parents + [command["commandName"]])


directory.mkdir(parents=True, exist_ok=True)
dump = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
pages(json.loads(dump)["command"], [])
print(f"{len(list(directory.glob('*.1')))} pages in {directory}")
