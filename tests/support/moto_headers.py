# Response headers policies of CloudFront, which moto does not have yet: kept as they were sent, under an id and a version.
def add_response_headers_policies():
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
        return response.backend.__dict__.setdefault("response_headers_policies", {})

    def found(response, must_match=False):
        id = response._get_param("Id")
        if id not in policies(response):
            raise Refused("NoSuchResponseHeadersPolicy")
        policy = policies(response)[id]
        if must_match and response._get_param("IfMatch") != policy["ETag"]:
            raise Refused("PreconditionFailed")
        return id, policy

    def keep(response, id):
        config = response._get_param("ResponseHeadersPolicyConfig")
        others = [other for other in policies(response) if other != id]
        named = [other for other in others if shape(response, other)["ResponseHeadersPolicyConfig"]["Name"] == config["Name"]]
        if named:
            raise Refused("ResponseHeadersPolicyAlreadyExists")
        policies(response)[id] = {"ETag": "E" + uuid4().hex[:12].upper(), "Config": config, "Time": datetime.now(timezone.utc)}
        return answer(response, id)

    def shape(response, id):
        policy = policies(response)[id]
        return {"Id": id, "LastModifiedTime": policy["Time"], "ResponseHeadersPolicyConfig": policy["Config"]}

    def answer(response, id):
        return ActionResult({"ResponseHeadersPolicy": shape(response, id), "ETag": policies(response)[id]["ETag"]})

    def create(response):
        return keep(response, str(uuid4()))

    def get(response):
        return answer(response, found(response)[0])

    def update(response):
        return keep(response, found(response, must_match=True)[0])

    def delete(response):
        id, _ = found(response, must_match=True)
        behaviors = [one.DefaultCacheBehavior for one in response.backend.distributions.values()]
        if any(behavior.response_headers_policy_id == id for behavior in behaviors):
            raise Refused("ResponseHeadersPolicyInUse")
        del policies(response)[id]
        return EmptyResult()

    def list_all(response):
        items = [{"Type": "custom", "ResponseHeadersPolicy": shape(response, id)} for id in policies(response)]
        return ActionResult({"ResponseHeadersPolicyList": {"MaxItems": 100, "Quantity": len(items), "Items": items}})

    CloudFrontResponse.create_response_headers_policy = create
    CloudFrontResponse.get_response_headers_policy = get
    CloudFrontResponse.update_response_headers_policy = update
    CloudFrontResponse.delete_response_headers_policy = delete
    CloudFrontResponse.list_response_headers_policies = list_all
    for path in ["response-headers-policy$", "response-headers-policy/(?P<policy_id>[^/]+)$"]:
        urls.url_paths["{0}/2020-05-31/" + path] = CloudFrontResponse.dispatch

add_response_headers_policies()


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
