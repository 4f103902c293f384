"""Writes tests/specs/terraform.toml: what the AWS provider of Terraform says about the resources in specs/types.

The provider's schema is read from cdktn-provider-aws, which is generated from it: each resource is a module, each block a
class whose arguments are required where they have no default. To run again, from the root of the repository:

    python3 -m venv target/terraform
    target/terraform/bin/pip install --no-deps cdktn-provider-aws
    target/terraform/bin/python tests/specs/terraform.py

The package is not imported, so it needs nothing else. A table per resource that specs/types names: `required` and `optional`
arguments, and what can be `read`. Those of blocks are joined with dots; only blocks that specs/types names are listed. An
argument that is required stands in a block: where the block is, it must be.
"""

import ast
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/specs/terraform.toml"
PACKAGE = "cdktn-provider-aws"
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def named_resources():
    """The resources that specs/types names, each with the names of the blocks that its attributes go through."""
    found = {}

    def add(resource, text):
        brackets = r"\[((?:[^][]|\[[^]]*\])*)\]|\?"
        plain = lambda text: re.sub(brackets, "", text)
        found.setdefault(resource, set()).add(plain(text))
        # What an element has besides.
        for match in re.finditer(brackets, text):
            for pair in (match.group(1) or "").split(","):
                if "=" in pair:
                    found[resource].add(f"{plain(text[:match.start()])}.{plain(pair.split('=')[0])}")

    def visit(attributes, kinds, parts, prefix, entry=""):
        """`prefix` is that of names, `entry` that of paths: the list whose entries these are attributes of."""
        for name, attribute in attributes.items():
            if not isinstance(attribute, dict):
                continue
            own = f"{prefix}.{name}" if prefix else name
            if not isinstance(attribute.get("type"), str):
                visit(attribute, kinds, parts, own, entry)
                continue
            place = attribute.get("terraform", own)
            if place is False:
                continue
            if isinstance(place, dict):
                if place.get("document"):
                    add_all(kinds, parts, place["path"])
                    continue
                place = place.get("path", own)
            for path in [place] if isinstance(place, str) else place:
                path = f"{entry}.{path}" if entry else path
                add_all(kinds, parts, path)
                inside = attribute.get("of")
                if isinstance(inside, dict) and not isinstance(inside.get("type"), str):
                    visit(inside, kinds, parts, "", path)

    def add_all(kinds, parts, path):
        head, _, rest = path.partition(".")
        part = re.sub(r"\[.*\]", "", head)
        if part in parts:
            add(part, rest)
            return
        for kind in kinds:
            add(kind, path)

    for path in sorted((ROOT / "specs/types").glob("*.toml")):
        for table in tomllib.loads(path.read_text()).values():
            counterpart = table.get("terraform", False)
            kind = counterpart.get("type", {}) if isinstance(counterpart, dict) else counterpart
            kinds = [name for key, name in kind.items() if key != "by"] if isinstance(kind, dict) else [kind]
            parts = counterpart.get("parts", {}) if isinstance(counterpart, dict) else {}
            if kind is not False:
                visit(table["attributes"], kinds, parts, "")
    return found


class Module:
    """The classes of one resource."""

    def __init__(self, folder, resource):
        source = (folder / resource.removeprefix("aws_") / "__init__.py").read_text()
        self.classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
        configs = [name for name in self.classes if name.endswith("Config")]
        # The one of the resource is that with the options that every resource has.
        self.config = next(name for name in configs if META & set(self.arguments(name)))

    def arguments(self, name):
        """The arguments of a class: whether each is required, and the class of the block that it is."""
        start = next(node for node in self.classes[name].body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        result = {}
        for argument, default in zip(start.args.kwonlyargs, start.args.kw_defaults):
            blocks = [word for word in re.findall(r"\w+", ast.unparse(argument.annotation)) if word in self.classes]
            result[argument.arg.rstrip("_")] = (default is None, blocks[0] if blocks else None)
        return result

    def walk(self, name, branches, prefix=""):
        for argument, (required, block) in self.arguments(name).items():
            if not prefix and argument in META:
                continue
            path = prefix + argument
            yield path, required
            if block and any(branch == path or branch.startswith(f"{path}.") for branch in branches):
                yield from self.walk(block, branches, f"{path}.")

    def read(self):
        resource = self.classes[self.config.removesuffix("Config")] if self.config.removesuffix("Config") in self.classes else None
        names = {node.name for node in (resource.body if resource else []) if isinstance(node, ast.FunctionDef)}
        return {name for name in names if name.islower() and not name.startswith(("put_", "reset_", "_")) and not name.endswith("_input")}


def line(name, values):
    if not values:
        return f"{name} = []\n"
    return f"{name} = [\n" + "".join(f'  "{value}",\n' for value in sorted(values)) + "]\n"


def main():
    package = distribution(PACKAGE)
    folder = Path(package.locate_file(PACKAGE.replace("-", "_")))
    provider = re.search(r"hashicorp/aws provider version ([0-9.]+)", package.metadata.as_string()).group(1)
    out = [
        "# Written by tests/specs/terraform.py from the schema of the AWS provider.\n\n",
        f'provider = "{provider}"\n',
        f'source = "{PACKAGE} {package.version}"\n',
    ]
    for resource, branches in sorted(named_resources().items()):
        module = Module(folder, resource)
        found = dict(module.walk(module.config, branches))
        out.append(f"\n[{resource}]\n")
        out.append(line("required", {path for path, required in found.items() if required}))
        out.append(line("optional", {path for path, required in found.items() if not required}))
        out.append(line("read", module.read() - {path for path in found}))
    TABLE.write_text("".join(out))


if __name__ == "__main__":
    main()
