"""Writes tests/specs/cloudformation.toml: what AWS's own resource schemas say about the types in specs/types.

The schemas come with cfn-lint, which publishes AWS's at every release. To run again, from the root of the repository:

    python3 -m venv target/cfn-lint
    target/cfn-lint/bin/pip install cfn-lint
    target/cfn-lint/bin/python tests/specs/cloudformation.py

A table per CloudFormation type that specs/types names: `create_only` (a change replaces the resource),
`conditional_create_only` (some changes do), `read_only` (only AWS sets it), `properties` (all that exist).
Nested properties are joined with dots, lists are passed through: Actions.TargetGroupArn. `values.PATH` are the values that
AWS takes, where the schema lists them and specs/types does, too.

The table `versions` holds the versions that AWS offers of each engine, without those it is about to withdraw; `nodes` the
types of nodes of a cache that it offers in some region.

The tables [deviation."service.kind.attribute"] at the end of the file are written by hand and kept. Each says why our
`immutable` differs from AWS's `create_only`.
"""

import json
import re
import tomllib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/specs/cloudformation.toml"
REGION = "us-east-1"
DEEPEST = 5


def schemas():
    """Type name to schema, for one region. The schemas are files named after their hash."""
    data = files("cfnlint") / "data/schemas"
    index = json.loads((data / f"providers/{REGION}.json").read_text())
    by_hash = {path.name.removesuffix(".json"): path for path in (data / "resources").iterdir()}
    return index, by_hash


def without_stars(pointer):
    """/properties/Actions/*/TargetGroupArn -> Actions.TargetGroupArn"""
    return ".".join(part for part in pointer.split("/") if part not in ("", "properties", "*", "items"))


def marked(schema, key, properties):
    """The properties that the schema lists under the key, and all that are nested below them."""
    listed = {without_stars(pointer) for pointer in schema.get(key, [])}
    return {path for path in properties if any(path == top or path.startswith(f"{top}.") for top in listed)}


def resolved(schema, node):
    """The node that a reference leads to, or the one of a list's items."""
    while "$ref" in node or "items" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node["items"]
    return node


def paths(schema, node, prefix="", depth=1):
    """All properties below a node of the schema."""
    node = resolved(schema, node)
    for name, child in node.get("properties", {}).items():
        yield prefix + name
        if depth < DEEPEST:
            yield from paths(schema, child, f"{prefix}{name}.", depth + 1)


def named_types():
    """The CloudFormation types that specs/types names, each with our attributes."""
    for path in sorted((ROOT / "specs/types").glob("*.toml")):
        for kind, table in tomllib.loads(path.read_text()).items():
            for name in names(table.get("cfn", False)):
                yield name, table["attributes"]


def names(cfn):
    """The names in a type's `cfn`: a name, or a table with names by the value of an attribute."""
    kind = cfn.get("type", {}) if isinstance(cfn, dict) else cfn
    if isinstance(kind, dict):
        return [name for key, name in sorted(kind.items()) if key != "by"]
    return [kind] if kind else []


def plain(cfn):
    """The paths in an attribute's `cfn`, without what stands behind names: LoadBalancerAttributes.Value."""
    if isinstance(cfn, dict):
        cfn = [cfn["path"]] if "path" in cfn else [path for key, path in sorted(cfn.items()) if key != "by"]
    return [re.sub(r"\[[^]]*\]|\{[^}]*\}|\?", "", path) for path in ([cfn] if isinstance(cfn, str) else cfn)]


def wanted(attributes, prefix=""):
    """The CloudFormation paths an attribute table names, so that only the branches in use are listed in depth."""
    for name, attribute in attributes.items():
        if not isinstance(attribute, dict):
            continue
        if not isinstance(attribute.get("type"), str):
            yield from wanted(attribute, f"{prefix}{pascal(name)}.")
            continue
        cfn = attribute.get("cfn", pascal(name) if not prefix else prefix.split(".")[0])
        if cfn is not False:
            yield from plain(cfn)


def pascal(name):
    return "".join(part.capitalize() for part in name.split("_"))


def listed(schema, node, prefix="", depth=1):
    """The properties that take only listed values, each with these."""
    node = resolved(schema, node)
    values = node.get("enum", node.get("enumCaseInsensitive"))
    if values and prefix:
        yield prefix[:-1], [str(value) for value in values]
    if depth <= DEEPEST:
        for name, child in node.get("properties", {}).items():
            yield from listed(schema, child, f"{prefix}{name}.", depth + 1)


def limited(attributes, prefix=""):
    """The CloudFormation paths of attributes for which specs/types lists values."""
    for name, attribute in attributes.items():
        if not isinstance(attribute, dict):
            continue
        if not isinstance(attribute.get("type"), str):
            yield from limited(attribute, f"{prefix}{pascal(name)}.")
            continue
        cfn = attribute.get("cfn", f"{prefix}{pascal(name)}")
        if cfn is False or (isinstance(cfn, dict) and "path" not in cfn and "by" not in cfn):
            continue
        inside = attribute["of"] if isinstance(attribute.get("of"), dict) else {}
        for path in plain(cfn):
            if "values" in attribute or (isinstance(inside.get("type"), str) and "values" in inside):
                yield path
            if inside and not isinstance(inside.get("type"), str):
                yield from limited(inside, f"{path}.")


def versions(service, engine):
    """The versions of an engine, without those that are about to go."""
    folder = files("cfnlint") / f"data/schemas/extensions/{service}"

    def of(name, found):
        for rule in json.loads((folder / name).read_text())["allOf"]:
            if rule["if"]["properties"]["Engine"].get("const") == engine:
                yield from found(rule)

    offered = set(of("engine_version.json", lambda rule: rule["then"]["properties"]["EngineVersion"]["enum"]))
    if (folder / "engine_version_deprecated.json").is_file():
        offered -= set(of("engine_version_deprecated.json", lambda rule: rule["if"]["properties"]["EngineVersion"]["enum"]))
    offered = {version for version in offered if "-" not in version and "." in version}
    # A major version alone stands for the newest of its versions.
    return offered | {version.split(".")[0] for version in offered if service == "aws_rds_dbcluster"}


def nodes():
    """The types of nodes that some region has."""
    path = files("cfnlint") / "data/schemas/extensions/aws_elasticache_cachecluster/cachenodetype_enum.json"
    regions = (region for region in json.loads(path.read_text()).values() if isinstance(region, dict))
    return {node for region in regions for node in region.get("enum", [])}


def line(name, values):
    if not values:
        return f"{name} = []\n"
    return f"{name} = [\n" + "".join(f'  "{value}",\n' for value in sorted(values)) + "]\n"


def main():
    index, by_hash = schemas()
    kept = TABLE.read_text() if TABLE.exists() else ""
    kept = kept[kept.find("# Deviations"):] if "# Deviations" in kept else "# Deviations\n"

    out = [
        "# Written by tests/specs/cloudformation.py from AWS's resource schemas. Only the deviations at the end are by hand.\n\n",
        f'source = "cfn-lint {version("cfn-lint")}, {REGION}"\n',
    ]
    # Several of our types may be one there.
    named = {}
    for name, attributes in named_types():
        named.setdefault(name, []).append(attributes)
    for name, tables in named.items():
        schema = json.loads(by_hash[index[name]].read_text())
        branches = {path.split(".")[0] for attributes in tables for path in wanted(attributes)}
        properties = {path for path in paths(schema, schema) if "." not in path or path.split(".")[0] in branches}
        out.append(f'\n["{name}"]\n')
        out.append(line("create_only", marked(schema, "createOnlyProperties", properties)))
        out.append(line("conditional_create_only", marked(schema, "conditionalCreateOnlyProperties", properties)))
        out.append(line("read_only", marked(schema, "readOnlyProperties", properties)))
        out.append(line("properties", properties))
        allowed = dict(listed(schema, schema))
        for path in sorted({path for attributes in tables for path in limited(attributes) if path in allowed}):
            out.append(line(f'values."{path}"', allowed[path]))
    out.append("\n[versions]\n")
    out.append(line("aurora", versions("aws_rds_dbcluster", "aurora-postgresql")))
    for engine in ("valkey", "redis"):
        out.append(line(engine, versions("aws_elasticache_cachecluster", engine)))
    out.append("\n[nodes]\n")
    out.append(line("elasticache", nodes()))
    TABLE.write_text("".join(out) + "\n" + kept)


if __name__ == "__main__":
    main()
