"""Validates YAML files against the schemas of a directory with the `jsonschema` package.

    validate_schema.py SCHEMAS FILE...

Prints `FILE: ok` or `FILE: <first fault>` for each. A schema that is none ends it with an error.
"""

import json
import pathlib
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema as editors have it: days are text, and so is `yes`."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))

NAMES = {"groeikluis.yaml": "groeikluis", "sources.yaml": "sources", "costs.yaml": "costs"}


def main():
    directory, *files = map(pathlib.Path, sys.argv[1:])
    validators = {}
    for path in directory.glob("*.schema.json"):
        schema = json.loads(path.read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        validators[path.name.split(".")[0]] = jsonschema.Draft202012Validator(schema, format_checker=checker)
    for path in files:
        validator = validators[NAMES.get(path.name) or path.parent.name.removesuffix("s")]
        fault = next(validator.iter_errors(yaml.load(path.read_text("utf-8"), Loader)), None)
        print(f"{path}: {'ok' if fault is None else fault.message[:200]!r}")


main()
