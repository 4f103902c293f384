# Everything moto keeps of an account, as lines of text that are the same for two accounts in which the same was done:
# `GET /moto-api/inventory/ACCOUNT`. Names that the account makes up are replaced by what they are the name of, times and
# secrets by a word. Nothing is left out because it carries no tags.
def add_inventory():
    import json
    import re
    from datetime import date
    from collections import Counter
    from enum import Enum
    from moto.core.base_backend import BackendDict, BaseBackend
    from moto.ec2.models import EC2Backend
    from moto.ssm.models import SimpleSystemManagerBackend as SSMBackend
    from moto.moto_api._internal import urls

    # What the account makes up: UUIDs, ids of EC2, keys and tokens, and parts of the names of secrets and hosts.
    MADE_UP = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        r"|\b(?:[a-z]{1,12}-)?[0-9a-f]{16,}\b|\b[A-Z0-9]{12,}\b|\b[a-z]+-[0-9a-f]{8}\b"
        r"|(?<=:secret:)[\w/-]+-\w{6}\b|(?<=\.cluster-)\w{12}\b|\b\w{6}(?=\.\w+\.cache\.)|\b\w{13}(?=\.cloudfront\.)"
    )
    TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?|\d{4}(?:-\d\d){4}")
    ADDRESS, LINEAGE = "mastoform:address", "mastoform:lineage"
    # Secrets are as random as ids, and so is a part of the name of a database.
    SECRET = re.compile(r"url_identifier|password|secret_string|secret_binary|auth_token|secret_access_key|private_key|key_material", re.I)
    CERTIFICATE = {"key", "_key", "cert"}
    # What AWS brings along in each account, and what only counts calls.
    PASSED_OVER = {
        "account_id", "region_name", "partition", "backend", "amis", "instance_types", "instance_type_offerings",
        "aws_managed_policies", "signing_region", "_url_paths", "tagger_lock", "lock", "last_used",
    }
    SERVICES_PASSED_OVER = {"sts", "moto_api", "config", "instance_metadata"}
    REGIONS = {"us-east-1", "eu-central-1"}

    def tags_of(item):
        found = {}

        def look(value, depth):
            if isinstance(value, dict):
                if isinstance(value.get(ADDRESS), str):
                    found.update({key: value[key] for key in (ADDRESS, LINEAGE) if key in value})
                key = value.get("Key", value.get("key", value.get("TagKey")))
                if key in (ADDRESS, LINEAGE):
                    found[key] = value.get("Value", value.get("value", value.get("TagValue")))
                if depth:
                    for inner in value.values():
                        look(inner, depth - 1)
            elif isinstance(value, (list, tuple)) and depth:
                for inner in value:
                    look(inner, depth - 1)

        for name, value in item.items():
            if "tag" in name.lower():
                look(value, 3)
        return found

    def parts(value):
        is_kept = lambda name: name not in PASSED_OVER and not name.startswith("latest_")
        return {name: inner for name, inner in vars(value).items() if is_kept(name)}

    def is_object(value):
        plain = (dict, list, tuple, set, str, bytes, int, float, date, type, BaseBackend, Enum)
        return hasattr(value, "__dict__") and not isinstance(value, plain) and not callable(value)

    # A region has what AWS brings along as soon as anything asks for it, so here all of them are asked.
    def backends(account):
        for service in sorted(BackendDict._instances, key=lambda service: service.service_name):
            if service.service_name not in SERVICES_PASSED_OVER:
                for region in REGIONS & set(service[account].regions):
                    service[account][region]
                for region, backend in sorted(dict.items(service[account])):
                    yield service.service_name, region, backend

    # What lies in the account; a backend's own settings are not part of it. EC2 keeps the tags of everything in one place,
    # and there also those of a rule that it has refused as a second one.
    def contents(backend):
        is_kept = lambda inner: is_object(inner) or isinstance(inner, (dict, list, set))
        found = {name: inner for name, inner in parts(backend).items() if is_kept(inner)}
        # The note about an instance is written by each apply, so that it has as many versions.
        if isinstance(backend, SSMBackend):
            found["_parameters"] = {
                name: [parts(versions[-1]) | {"version": 1}] if name.startswith("/mastoform/") else versions
                for name, versions in dict.items(backend._parameters)
            }
        if isinstance(backend, EC2Backend):
            tags, ids = found.pop("tags"), set()
            each_object(found, lambda one: ids.update(map(str, parts(one).values())))
            found["tags"] = {id: tags[id] for id in tags if id in ids}
        return found

    def each_object(value, visit, seen=None, depth=0):
        seen = set() if seen is None else seen
        if depth > 10 or id(value) in seen:
            return
        seen.add(id(value))
        if is_object(value):
            visit(value)
            value = parts(value)
        if isinstance(value, dict):
            inner = list(value.values())
        elif isinstance(value, (list, tuple, set)):
            inner = list(value)
        else:
            return
        for one in inner:
            each_object(one, visit, seen, depth + 1)

    # Names of what the account made up, by what carries our tags, and the lineages.
    def names(account):
        labels, lineages = {}, set()

        def visit(value):
            own = parts(value)
            tags = tags_of(own)
            if LINEAGE in tags:
                lineages.add(tags[LINEAGE])
            for inner in (own.get("id"), own.get("arn")):
                if ADDRESS in tags and isinstance(inner, str):
                    for made_up in MADE_UP.findall(inner):
                        labels[made_up] = f"<{tags[ADDRESS]}>"

        for _, _, backend in backends(account):
            each_object(contents(backend), visit)
        return labels, lineages

    def inventory(account):
        labels, lineages = names(account)

        def said(text):
            for lineage in lineages:
                text = text.replace(lineage, "<lineage>")
            text = text.replace(account, "<account>")
            text = TIME.sub("<time>", text)
            # How often the state was written.
            text = re.sub(r'"serial":\d+', '"serial":<number>', text)
            return MADE_UP.sub(lambda match: labels.get(match[0], "<made up>"), text)

        def simple(name, value):
            if isinstance(value, bool) or value is None:
                return json.dumps(value)
            if value and (SECRET.search(name) or name in CERTIFICATE and not isinstance(value, str) or "-----BEGIN" in str(value)):
                return "<secret>"
            if isinstance(value, (int, float)):
                return "<time>" if value > 1.6e9 else json.dumps(value)
            if isinstance(value, bytes):
                value = value.decode("utf-8", "replace")
            if isinstance(value, date):
                return "<time>"
            return said(str(value))

        def lines(path, name, value, above):
            if id(value) in above or len(above) > 14:
                return
            if isinstance(value, BaseBackend) or callable(value):
                return
            if is_object(value):
                value, above = parts(value), above | {id(value)}
            if isinstance(value, dict):
                for key, inner in list(value.items()):
                    key = said(str(key))
                    yield from lines(f"{path}.{key}", key, inner, above | {id(value)})
            elif isinstance(value, (list, tuple, set)):
                for inner in list(value):
                    yield from lines(f"{path}[]", name, inner, above | {id(value)})
            else:
                yield f"{path} = {simple(name, value)}"

        # The place of a thing in its list means nothing; that there are two of it does.
        found = Counter()
        for service, region, backend in backends(account):
            found.update(lines(f"{service} {region} ", "", contents(backend), frozenset()))
        return sorted(f"{count} {line}" for line, count in found.items())

    def answer(request, full_url, headers):
        account = full_url.rstrip("/").rsplit("/", 1)[-1]
        return 200, {"Content-Type": "application/json"}, json.dumps(inventory(account))

    urls.url_paths["{0}/moto-api/inventory/(?P<account>[0-9]+)$"] = answer


add_inventory()
