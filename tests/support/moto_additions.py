# Policies of CloudFront for caches and headers, which moto does not have yet: kept as they were sent, under an id and a
# version. `kind` is their name as AWS writes it, `path` that in addresses, and `name` that of the operations.
def add_policies(kind, path, name, plural, users):
    from datetime import datetime, timezone
    from uuid import uuid4
    from moto.cloudfront import urls
    from moto.cloudfront.exceptions import CloudFrontException
    from moto.cloudfront.responses import CloudFrontResponse
    from moto.core.responses import ActionResult, EmptyResult

    class Refused(CloudFrontException):
        def __init__(self, code):
            super().__init__(code, "refused")

    def policies(response):
        return response.backend.__dict__.setdefault(plural, {})

    def found(response, must_match=False):
        id = response._get_param("Id")
        if id not in policies(response):
            raise Refused(f"NoSuch{kind}")
        policy = policies(response)[id]
        if must_match and response._get_param("IfMatch") != policy["ETag"]:
            raise Refused("PreconditionFailed")
        return id, policy

    def keep(response, id):
        config = response._get_param(f"{kind}Config")
        others = [other for other in policies(response) if other != id]
        named = [other for other in others if shape(response, other)[f"{kind}Config"]["Name"] == config["Name"]]
        if named:
            raise Refused(f"{kind}AlreadyExists")
        policies(response)[id] = {"ETag": "E" + uuid4().hex[:12].upper(), "Config": config, "Time": datetime.now(timezone.utc)}
        return answer(response, id)

    def shape(response, id):
        policy = policies(response)[id]
        return {"Id": id, "LastModifiedTime": policy["Time"], f"{kind}Config": policy["Config"]}

    def answer(response, id):
        return ActionResult({kind: shape(response, id), "ETag": policies(response)[id]["ETag"]})

    def create(response):
        return keep(response, str(uuid4()))

    def get(response):
        return answer(response, found(response)[0])

    def update(response):
        return keep(response, found(response, must_match=True)[0])

    def delete(response):
        id, _ = found(response, must_match=True)
        behaviors = [one.DefaultCacheBehavior for one in response.backend.distributions.values()]
        if any(getattr(behavior, users) == id for behavior in behaviors):
            raise Refused(f"{kind}InUse")
        del policies(response)[id]
        return EmptyResult()

    def list_all(response):
        items = [{"Type": "custom", kind: shape(response, id)} for id in policies(response)]
        return ActionResult({f"{kind}List": {"MaxItems": 100, "Quantity": len(items), "Items": items}})

    for verb, act in {"create": create, "get": get, "update": update, "delete": delete}.items():
        setattr(CloudFrontResponse, f"{verb}_{name}", act)
    setattr(CloudFrontResponse, f"list_{plural}", list_all)
    for address in [f"{path}$", path + "/(?P<policy_id>[^/]+)$"]:
        urls.url_paths["{0}/2020-05-31/" + address] = CloudFrontResponse.dispatch

add_policies("ResponseHeadersPolicy", "response-headers-policy", "response_headers_policy", "response_headers_policies", "response_headers_policy_id")
add_policies("CachePolicy", "cache-policy", "cache_policy", "cache_policies", "cache_policy_id")


# Groups of settings and of subnets: moto cannot change or delete those of caches, loses a group of subnets of databases
# when it is changed, and lets a second one of its name take its place.
def complete_groups():
    from moto.core.responses import ActionResult, EmptyResult
    from moto.elasticache.exceptions import ElastiCacheException
    from moto.elasticache.models import ElastiCacheBackend
    from moto.elasticache.responses import ElastiCacheResponse as Caches
    from moto.rds.exceptions import RDSClientError
    from moto.rds.models import RDSBackend

    class Refused(ElastiCacheException):
        def __init__(self, code):
            super().__init__(code, "refused")

    def arn_of(response, name):
        return f"arn:aws:elasticache:{response.region}:{response.current_account}:parametergroup:{name}"

    def groups(response):
        return response.elasticache_backend.__dict__.setdefault("parameter_groups", {})

    def found(response):
        name = response._get_param("CacheParameterGroupName")
        if name not in groups(response):
            raise Refused("CacheParameterGroupNotFound")
        return name, groups(response)[name]

    def is_used(response, attribute, name):
        backend = response.elasticache_backend
        living = [*backend.replication_groups.values(), *backend.cache_clusters.values()]
        return any(getattr(one, attribute, None) == name and getattr(one, "status", "") != "deleting" for one in living)

    def create(response):
        name = response._get_param("CacheParameterGroupName")
        if name in groups(response):
            raise Refused("CacheParameterGroupAlreadyExists")
        groups(response)[name] = {
            "CacheParameterGroupName": name,
            "CacheParameterGroupFamily": response._get_param("CacheParameterGroupFamily"),
            "Description": response._get_param("Description"),
            "ARN": arn_of(response, name),
            "Parameters": {},
        }
        response.elasticache_backend.tagging_service.tag_resource(arn_of(response, name), response._get_param("Tags", []))
        return ActionResult({"CacheParameterGroup": groups(response)[name]})

    def describe(response):
        return ActionResult({"CacheParameterGroups": [found(response)[1]]})

    def describe_parameters(response):
        parameters = found(response)[1]["Parameters"]
        shown = [{"ParameterName": name, "ParameterValue": value, "Source": "user"} for name, value in parameters.items()]
        return ActionResult({"Parameters": shown})

    def modify(response):
        name, group = found(response)
        for pair in response._get_param("ParameterNameValues", []):
            group["Parameters"][pair["ParameterName"]] = pair["ParameterValue"]
        return ActionResult({"CacheParameterGroupName": name})

    def reset(response):
        name, group = found(response)
        for pair in response._get_param("ParameterNameValues", []):
            group["Parameters"].pop(pair["ParameterName"], None)
        return ActionResult({"CacheParameterGroupName": name})

    def delete(response):
        name, _ = found(response)
        if is_used(response, "cache_parameter_group_name", name):
            raise Refused("InvalidCacheParameterGroupState")
        del groups(response)[name]
        return EmptyResult()

    def subnet_group(response):
        name = response._get_param("CacheSubnetGroupName")
        return response.elasticache_backend.describe_cache_subnet_groups(name)[0]

    def modify_subnets(response):
        group = subnet_group(response)
        group.cache_subnet_group_description = response._get_param("CacheSubnetGroupDescription")
        group.subnets = [{"subnet_identifier": id} for id in response._get_param("SubnetIds", [])]
        return ActionResult({"CacheSubnetGroup": group})

    def delete_subnets(response):
        group = subnet_group(response)
        if is_used(response, "cache_subnet_group_name", group.cache_subnet_group_name):
            raise Refused("CacheSubnetGroupInUse")
        del response.elasticache_backend.cache_subnet_groups[group.cache_subnet_group_name]
        return EmptyResult()

    list_tags = ElastiCacheBackend.list_tags_for_resource

    def list_tags_of_all(backend, arn):
        if ":parametergroup:" in arn:
            return backend.tagging_service.list_tags_for_resource(arn)
        return list_tags(backend, arn)

    create_database_subnets = RDSBackend.create_subnet_group

    def create_once(backend, subnet_name, *rest):
        if subnet_name in backend.subnet_groups:
            raise RDSClientError("DBSubnetGroupAlreadyExists", "refused")
        return create_database_subnets(backend, subnet_name, *rest)

    def modify_in_place(backend, subnet_name, description, subnets):
        group = backend.describe_db_subnet_groups(subnet_name)[0]
        group.subnets, group.description = subnets, description or group.description
        return group

    Caches.create_cache_parameter_group = create
    Caches.describe_cache_parameter_groups = describe
    Caches.describe_cache_parameters = describe_parameters
    Caches.modify_cache_parameter_group = modify
    Caches.reset_cache_parameter_group = reset
    Caches.delete_cache_parameter_group = delete
    Caches.modify_cache_subnet_group = modify_subnets
    Caches.delete_cache_subnet_group = delete_subnets
    ElastiCacheBackend.list_tags_for_resource = list_tags_of_all
    RDSBackend.create_subnet_group = create_once
    RDSBackend.modify_db_subnet_group = modify_in_place

complete_groups()


# The index of tags has all types, except users and roles, and counts no tags where a page has a number of resources.
# https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
def complete_index():
    from moto.core.resource_tagging import TaggedResource
    from moto.elasticache.models import ElastiCacheBackend
    from moto.rds.models import RDSBackend
    from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend as Index

    of_caches = ElastiCacheBackend.iter_tagged_resources
    of_databases = RDSBackend.iter_tagged_resources
    page = Index.get_resources

    def caches(backend):
        yield from of_caches(backend)
        for group in backend.__dict__.get("parameter_groups", {}).values():
            tags = backend.tagging_service.get_tag_dict_for_resource(group["ARN"])
            yield TaggedResource(arn=group["ARN"], tags=tags, resource_type="elasticache:parametergroup")

    def databases(backend):
        yield from of_databases(backend)
        for group in backend.subnet_groups.values():
            tags = {tag["Key"]: tag["Value"] for tag in group.get_tags()}
            yield TaggedResource(arn=group.arn, tags=tags, resource_type="rds:subgrp")

    def whole_pages(backend, **named):
        return page(backend, **{**named, "tags_per_page": 10**6})

    ElastiCacheBackend.iter_tagged_resources = caches
    RDSBackend.iter_tagged_resources = databases
    Index.get_resources = whole_pages

complete_index()


# Tasks that were run end, which those of moto never do by themselves: at the first look, with 0, or with the number that
# the command `exit NUMBER` names. A request that is repeated with its client token is answered with the first task.
def let_tasks_end():
    from moto.ec2 import ec2_backends
    from moto.ecs.models import EC2ContainerServiceBackend as Backend
    from moto.ecs.responses import EC2ContainerServiceResponse as Response
    from moto.core.responses import ActionResult

    run, describe = Response.run_task, Backend.describe_tasks

    def run_once(response):
        token = response._get_param("clientToken")
        known = response.ecs_backend.__dict__.setdefault("tasks_by_token", {})
        if token in known:
            return ActionResult({"tasks": [known[token]], "failures": []})
        before = set(response.ecs_backend.tasks.get(name(response), {}))
        answer = run(response)
        for arn, task in response.ecs_backend.tasks[name(response)].items():
            if arn not in before:
                known[token] = task
        return answer

    def name(response):
        return response.ecs_backend._get_cluster(response._get_param("cluster", "default")).name

    def describe_and_end(backend, cluster, arns):
        found = describe(backend, cluster, arns)
        for task in found:
            overrides = task.overrides.get("containerOverrides", [])
            if not overrides or task.desired_status == "STOPPED":
                continue
            command = overrides[0].get("command", [])
            task.containers[0].exitCode = int(command[1]) if command[:1] == ["exit"] else 0
            task.last_status = task.desired_status = "STOPPED"
            for attachment in task.attachments:
                details = {detail["name"]: detail["value"] for detail in attachment["details"]}
                ec2_backends[task._account_id][task.region_name].delete_network_interface(details["networkInterfaceId"])
            task.attachments = []
        return found

    Response.run_task = run_once
    Backend.describe_tasks = describe_and_end

let_tasks_end()


# A second request for a service with the token of the first makes nothing. moto makes it anew and counts its tasks twice.
def make_services_once():
    from moto.core.responses import ActionResult
    from moto.ecs.responses import EC2ContainerServiceResponse as Response

    create = Response.create_service

    def create_once(response):
        services, token = response.ecs_backend.services, response._get_param("clientToken")
        known = response.ecs_backend.__dict__.setdefault("services_by_token", {})
        if known.get(token) not in services.values():
            before = set(services.values())
            answer = create(response)
            known[token] = next(service for service in services.values() if service not in before)
            return answer
        return ActionResult({"service": known[token]})

    Response.create_service = create_once

make_services_once()


# A load balancer has one listener for a port. moto looks for the port among the ARNs, and makes a second one.
def refuse_second_listeners():
    from moto.elbv2.exceptions import DuplicateListenerError
    from moto.elbv2.models import ELBv2Backend as Backend

    create = Backend.create_listener

    def create_first(backend, load_balancer_arn, protocol, port, *others, **more):
        balancer = backend.load_balancers.get(load_balancer_arn)
        if balancer and any(str(listener.port) == str(port) for listener in balancer.listeners.values()):
            raise DuplicateListenerError()
        return create(backend, load_balancer_arn, protocol, port, *others, **more)

    Backend.create_listener = create_first

refuse_second_listeners()


# AWS tells every attribute of a load balancer, with its own value until somebody sets another. moto leaves these away.
def tell_all_attributes_of_load_balancers():
    from moto.elbv2.models import FakeLoadBalancer as Balancer

    init = Balancer.__init__

    def init_with_defaults(balancer, *arguments, **named):
        init(balancer, *arguments, **named)
        balancer.attrs["idle_timeout.timeout_seconds"] = "60"
        balancer.attrs["routing.http.drop_invalid_header_fields.enabled"] = "false"

    Balancer.__init__ = init_with_defaults

tell_all_attributes_of_load_balancers()


# Every bucket is encrypted with a key of AWS until somebody says otherwise. In moto it is not.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
def encrypt_buckets():
    from moto.s3.models import FakeBucket as Bucket

    init = Bucket.__init__

    def init_encrypted(bucket, *arguments, **named):
        init(bucket, *arguments, **named)
        default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}
        bucket.encryption = {"@xmlns": "http://s3.amazonaws.com/doc/2006-03-01/", "Rule": default}

    Bucket.__init__ = init_encrypted

encrypt_buckets()


# An account has one origin access control of a name. moto makes a second one.
def refuse_second_origin_access_controls():
    from moto.cloudfront.exceptions import CloudFrontException
    from moto.cloudfront.models import CloudFrontBackend as Backend

    create = Backend.create_origin_access_control

    def create_first(backend, config):
        if any(control.name == config["Name"] for control in backend.origin_access_controls.values()):
            raise CloudFrontException("OriginAccessControlAlreadyExists", "refused")
        return create(backend, config)

    Backend.create_origin_access_control = create_first

refuse_second_origin_access_controls()


# There is one database cluster of a name. moto puts a second one in its place, with an automated snapshot of its own.
def refuse_second_clusters():
    from moto.rds.exceptions import RDSClientError
    from moto.rds.models import RDSBackend as Backend

    create = Backend.create_db_cluster

    def create_first(backend, kwargs):
        if kwargs["db_cluster_identifier"] in backend.clusters:
            raise RDSClientError("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        return create(backend, kwargs)

    Backend.create_db_cluster = create_first

refuse_second_clusters()


# Route 53 makes no second zone of one reference; moto does.
def keep_references_of_zones():
    from moto.route53.exceptions import Route53ClientError
    from moto.route53.models import Route53Backend as Backend

    create = Backend.create_hosted_zone

    class AlreadyExists(Route53ClientError):
        code = 409

    def create_once(backend, *arguments, **named):
        reference = named.get("caller_reference")
        if any(zone.caller_reference == reference for zone in backend.zones.values()):
            raise AlreadyExists("HostedZoneAlreadyExists", "A hosted zone has already been created with this reference")
        return create(backend, *arguments, **named)

    Backend.create_hosted_zone = create_once

keep_references_of_zones()


# Version 2 of SES, of which moto has a part: it keeps no options of configuration sets, knows no MAIL FROM and no account,
# and verifies a domain that nobody has proven. Here everything is kept as it was sent. A domain is PENDING until Route 53
# of the account has the first record of DKIM, an address until somebody asks for it a second time.
def add_ses():
    import json
    from urllib.parse import unquote
    from uuid import uuid4
    from moto.core.exceptions import JsonRESTError
    from moto.route53.models import route53_backends
    from moto.sesv2 import urls
    from moto.sesv2.responses import SESV2Response as Response

    class Refused(JsonRESTError):
        def __init__(self, status, code, message):
            self.code = status
            super().__init__(code, message)

    def kept(response):
        nothing = {"identities": {}, "sets": {}, "details": None}
        return response.sesv2_backend.__dict__.setdefault("kept_as_sent", nothing)

    def sent(response):
        return json.loads(response.body or "{}")

    def name(response):
        return unquote(response.path.split("/v2/email/")[1].split("/")[1])

    def found(response, shelf):
        key = name(response)
        if key not in kept(response)[shelf]:
            raise Refused(404, "NotFoundException", f"{key} does not exist.")
        return kept(response)[shelf][key]

    def keep(response, shelf, key, value):
        if key in kept(response)[shelf]:
            raise Refused(400, "AlreadyExistsException", f"{key} already exists.")
        kept(response)[shelf][key] = value

    def is_in_dns(response, record):
        zones = route53_backends[response.current_account]["global"].zones.values()
        return any(one.name.rstrip(".") == record for zone in zones for one in zone.rrsets)

    def create_identity(response):
        asked = sent(response)
        key = asked["EmailIdentity"]
        wanted = asked.get("ConfigurationSetName")
        if wanted is not None and wanted not in kept(response)["sets"]:
            raise Refused(404, "NotFoundException", f"Configuration set <{wanted}> does not exist.")
        identity = {"Tags": asked.get("Tags", []), "ConfigurationSetName": wanted, "VerificationStatus": "PENDING"}
        if "@" in key:
            identity["IdentityType"] = "EMAIL_ADDRESS"
        else:
            identity["IdentityType"] = "DOMAIN"
            identity["DkimAttributes"] = {
                "SigningEnabled": True,
                "Status": "PENDING",
                "SigningAttributesOrigin": "AWS_SES",
                "SigningHostedZone": "dkim.amazonses.com",
                "NextSigningKeyLength": "RSA_2048_BIT",
                "Tokens": [uuid4().hex for _ in range(3)],
            }
        keep(response, "identities", key, identity)
        return json.dumps({each: identity[each] for each in ["IdentityType", "DkimAttributes"] if each in identity})

    def get_identity(response):
        identity, key = found(response, "identities"), name(response)
        shown = json.dumps({**identity, "VerifiedForSendingStatus": identity["VerificationStatus"] == "SUCCESS"})
        dkim = identity.get("DkimAttributes")
        if dkim is None or is_in_dns(response, f"{dkim['Tokens'][0]}._domainkey.{key}"):
            identity["VerificationStatus"] = "SUCCESS"
        return shown

    def delete_identity(response):
        found(response, "identities")
        del kept(response)["identities"][name(response)]
        return "{}"

    def put_mail_from(response):
        asked = sent(response)
        attributes = {
            "MailFromDomain": asked.get("MailFromDomain", ""),
            "MailFromDomainStatus": "PENDING",
            "BehaviorOnMxFailure": asked.get("BehaviorOnMxFailure", "USE_DEFAULT_VALUE"),
        }
        found(response, "identities")["MailFromAttributes"] = attributes
        return "{}"

    def put_set_of_identity(response):
        found(response, "identities")["ConfigurationSetName"] = sent(response).get("ConfigurationSetName")
        return "{}"

    def create_set(response):
        asked = sent(response)
        keep(response, "sets", asked["ConfigurationSetName"], asked)
        return "{}"

    def get_set(response):
        return json.dumps(found(response, "sets"))

    def delete_set(response):
        found(response, "sets")
        del kept(response)["sets"][name(response)]
        return "{}"

    def options(of_what):
        def put(response):
            found(response, "sets")[of_what] = sent(response)
            return "{}"

        return put

    def tag_resource(response):
        asked = sent(response)
        kind, _, key = asked["ResourceArn"].split(":", 5)[5].partition("/")
        shelf = {"identity": "identities", "configuration-set": "sets"}[kind]
        if key not in kept(response)[shelf]:
            raise Refused(404, "NotFoundException", f"{key} does not exist.")
        tags = {tag["Key"]: tag["Value"] for tag in kept(response)[shelf][key].get("Tags", []) + asked["Tags"]}
        kept(response)[shelf][key]["Tags"] = [{"Key": each, "Value": value} for each, value in tags.items()]
        return "{}"

    def get_account(response):
        details = kept(response)["details"]
        account = {
            "ProductionAccessEnabled": False,
            "SendingEnabled": True,
            "EnforcementStatus": "HEALTHY",
            "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0},
        }
        if details:
            account["Details"] = details
        return json.dumps(account)

    def put_details(response):
        if kept(response)["details"]:
            raise Refused(409, "ConflictException", "There is already an open review of this account.")
        kept(response)["details"] = {**sent(response), "ReviewDetails": {"Status": "PENDING", "CaseId": "1"}}
        return "{}"

    Response.create_email_identity = create_identity
    Response.get_email_identity = get_identity
    Response.delete_email_identity = delete_identity
    Response.put_email_identity_mail_from_attributes = put_mail_from
    Response.put_email_identity_configuration_set_attributes = put_set_of_identity
    Response.create_configuration_set = create_set
    Response.get_configuration_set = get_set
    Response.delete_configuration_set = delete_set
    Response.put_configuration_set_delivery_options = options("DeliveryOptions")
    Response.put_configuration_set_reputation_options = options("ReputationOptions")
    Response.put_configuration_set_suppression_options = options("SuppressionOptions")
    Response.tag_resource = tag_resource
    Response.get_account = get_account
    Response.put_account_details = put_details
    identity, rules = "identities/(?P<EmailIdentity>[^/]+)", "configuration-sets/(?P<ConfigurationSetName>[^/]+)"
    for path in [
        "account$",
        "account/details$",
        identity + "/mail-from$",
        identity + "/configuration-set$",
        rules + "/delivery-options$",
        rules + "/reputation-options$",
        rules + "/suppression-options$",
    ]:
        urls.url_paths["{0}/v2/email/" + path] = Response.dispatch

add_ses()


# Users have boundaries, of which moto knows those of roles alone.
def add_boundaries_of_users():
    from moto.core.responses import EmptyResult
    from moto.iam.responses import IamResponse as Response

    create = Response.create_user

    def bound(response):
        boundary = response._get_param("PermissionsBoundary")
        if boundary:
            user = response.backend.get_user(response._get_param("UserName"))
            user.permissions_boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}

    def create_bounded(response):
        answer = create(response)
        bound(response)
        return answer

    def put_boundary(response):
        bound(response)
        return EmptyResult()

    Response.create_user = create_bounded
    Response.put_user_permissions_boundary = put_boundary

add_boundaries_of_users()


# Keys of log groups. moto takes any key for a new group and cannot change it; AWS looks whether CloudWatch may use the key for
# the group, by the key's own policy.
def look_at_keys_of_log_groups():
    from moto.kms.models import kms_backends
    from moto.logs.exceptions import InvalidParameterException
    from moto.logs.models import LogsBackend as Backend
    from moto.logs.responses import LogsResponse as Response

    create = Backend.create_log_group

    def check(backend, group, key):
        region = backend.region_name
        keys = kms_backends[backend.account_id][region].keys
        found = keys.get((key or "").rsplit("/", 1)[-1])
        arn = f"arn:aws:logs:{region}:{backend.account_id}:log-group:{group}"
        is_open = found is not None and all(text in found.policy for text in [f"logs.{region}.amazonaws.com", arn])
        if key and not (is_open and found.enabled):
            raise InvalidParameterException(f"The specified KMS key does not exist or is not allowed to be used with {arn}")

    def create_checked(backend, group, tags, **arguments):
        check(backend, group, arguments.get("kmsKeyId"))
        return create(backend, group, tags, **arguments)

    def associate(response):
        group, key = response._get_param("logGroupName"), response._get_param("kmsKeyId")
        check(response.logs_backend, group, key)
        response.logs_backend.groups[group].kms_key_id = key
        return ""

    def disassociate(response):
        response.logs_backend.groups[response._get_param("logGroupName")].kms_key_id = None
        return ""

    Backend.create_log_group = create_checked
    Response.associate_kms_key, Response.disassociate_kms_key = associate, disassociate

look_at_keys_of_log_groups()


# moto calls the answer about versions of a bucket by another name than AWS, which the SDK does not read.
def name_the_answer_about_versions():
    from moto.s3.responses import S3Response as Response

    def get_bucket_versioning(response):
        response.data["Action"] = "GetBucketVersioning"
        status = response.backend.get_bucket_versioning(response.bucket_name)
        status = f"<Status>{status}</Status>" if status else ""
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<VersioningConfiguration xmlns="{space}">{status}</VersioningConfiguration>'
        return 200, {"Content-Type": "application/xml"}, body

    Response.get_bucket_versioning = get_bucket_versioning

name_the_answer_about_versions()
