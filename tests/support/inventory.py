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
    from moto.ec2.models import ec2_backends as networks
    from moto.moto_api._internal import urls

    # What the account makes up: UUIDs, ids of EC2, keys and tokens, and parts of the names of secrets and hosts.
    MADE_UP = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        r"|\b(?:[a-z]{1,12}-)?[0-9a-f]{16,}\b|\b[A-Z0-9]{12,}\b|\b[a-z]+-[0-9a-f]{8}\b"
        r"|(?<=:secret:)[\w/-]+-\w{6}\b|(?<=\.cluster-)\w{12}\b|\b\w{6}(?=\.\w+\.cache\.)|\b\w{13}(?=\.cloudfront\.)"
    )
    TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
    ADDRESS, LINEAGE = "mastoform:address", "mastoform:lineage"
    # Secrets are as random as ids.
    SECRET = re.compile(r"password|secret_string|secret_binary|auth_token|secret_access_key|private_key|key_material", re.I)
    CERTIFICATE = {"key", "_key", "cert"}
    # What AWS brings along in each account, and what only counts calls.
    PASSED_OVER = {
        "account_id", "region_name", "partition", "backend", "amis", "instance_types", "instance_type_offerings",
        "aws_managed_policies", "signing_region", "_url_paths", "tagger_lock", "lock",
    }
    SERVICES_PASSED_OVER = {"sts", "moto_api", "config", "instance_metadata"}

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

    # What lies in the account; a backend's own settings are not part of it.
    def contents(backend):
        return {name: inner for name, inner in parts(backend).items() if is_object(inner) or isinstance(inner, (dict, list, set))}

    def is_object(value):
        return hasattr(value, "__dict__") and not isinstance(value, (type, BaseBackend, Enum)) and not callable(value)

    # A region has the networks that AWS brings along as soon as anything asks for them.
    def backends(account):
        networks[account]["us-east-1"]
        for service in list(BackendDict._instances):
            if service.service_name not in SERVICES_PASSED_OVER and account in service:
                for region, backend in dict.items(service[account]):
                    yield service.service_name, region, backend

    # Names of what the account made up, by what carries our tags, and the lineages.
    def names(account):
        labels, lineages, seen = {}, set(), set()

        def visit(value, depth):
            if depth > 10 or id(value) in seen:
                return
            if is_object(value):
                seen.add(id(value))
                own = parts(value)
                tags = tags_of(own)
                if LINEAGE in tags:
                    lineages.add(tags[LINEAGE])
                for name, inner in own.items():
                    if ADDRESS in tags and isinstance(inner, str):
                        for made_up in MADE_UP.findall(inner):
                            labels.setdefault(made_up, f"<{tags[ADDRESS]}>")
                    visit(inner, depth + 1)
            elif isinstance(value, dict):
                seen.add(id(value))
                for inner in list(value.values()):
                    visit(inner, depth + 1)
            elif isinstance(value, (list, tuple, set)):
                for inner in list(value):
                    visit(inner, depth + 1)

        for _, _, backend in backends(account):
            visit(contents(backend), 0)
        return labels, lineages

    def inventory(account):
        labels, lineages = names(account)

        def said(text):
            for lineage in lineages:
                text = text.replace(lineage, "<lineage>")
            text = text.replace(account, "<account>")
            text = TIME.sub("<time>", text)
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
