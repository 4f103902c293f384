"""Makes the stack of a template in moto, and prints what there is then, as JSON.

    python stack.py TEMPLATE REGION          # in a moto of its own
    python stack.py TEMPLATE REGION made     # in the one that the environment names: prints what each resource is called

A moto that runs as a server needs `help_along()` first.

What moto's CloudFormation cannot do is taken out of the template first, or helped along: each is a gap of moto, and is
written where it is met.
"""

import json
import re
import sys
import warnings

import boto3
import moto.cloudformation.parsing as parsing
from moto import mock_aws

warnings.simplefilter("ignore")

# Gap: types that moto fails to make, beside those that it does not know, of which it only warns.
UNMADE = {
    "AWS::RDS::DBInstance",  # of Aurora
}


def attribute(resource, name):
    """Gap: some resources of moto do not say the attributes by which AWS's schemas call them. All of these are the ARN."""
    try:
        return resource.get_cfn_attribute(name)
    except Exception:
        if not name.endswith("Arn"):
            raise
        return resource.physical_resource_id


def patched(clean):
    def patch(node, resources):
        if isinstance(node, dict) and "Fn::GetAtt" in node:
            name, wanted = node["Fn::GetAtt"]
            found = resources.get(name)
            return node if found is None else attribute(found, wanted)
        return clean(node, resources)

    return patch


def help_along():
    parsing.clean_json = patched(parsing.clean_json)


def own(template, client):
    """The template with the network and the certificate of this account."""
    vpc = client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [subnet["SubnetId"] for subnet in client("ec2").describe_subnets()["Subnets"]]
    certificate = client("acm").request_certificate(DomainName="social.example.org")["CertificateArn"]
    text = re.sub(r"vpc-[0-9a-f]+", vpc, json.dumps(template))
    for theirs, ours in zip(sorted(set(re.findall(r"subnet-[0-9a-f]+", text))), subnets):
        text = text.replace(theirs, ours)
    return json.loads(re.sub(rf"arn:aws:acm:{client('acm').meta.region_name}:[0-9]+:certificate/[0-9a-f-]+", certificate, text))


def stacked(template, client):
    """Makes the stack of what moto can make."""
    template = own(template, client)
    resources = {name: found for name, found in template["Resources"].items() if found["Type"] not in UNMADE}
    for found in resources.values():
        # Gap: tags of parameters are a map for AWS, and a list for moto.
        if found["Type"] == "AWS::SSM::Parameter":
            del found["Properties"]["Tags"]
        # Gap: moto takes tags and policies of keys as the API of KMS has them.
        if found["Type"] == "AWS::KMS::Key":
            tags = found["Properties"]["Tags"]
            found["Properties"]["Tags"] = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags]
            found["Properties"]["KeyPolicy"] = json.dumps(found["Properties"]["KeyPolicy"])
    template["Resources"] = resources
    body, capabilities = json.dumps(template), ["CAPABILITY_NAMED_IAM"]
    client("cloudformation").create_stack(StackName="social", TemplateBody=body, Capabilities=capabilities)


def called(client, stack):
    """What each resource is called in the cloud, by its name in the template."""
    resources = client("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
    return {found["LogicalResourceId"]: found["PhysicalResourceId"] for found in resources if found.get("ResourceType")}


def made(client, stack):
    resources = client("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
    # What moto did not make has no type.
    return {found["LogicalResourceId"]: found["ResourceType"] for found in resources if found.get("ResourceType")}


def described(client):
    balancer = client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = client("elbv2").describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    groups = {group["TargetGroupArn"]: group for group in client("elbv2").describe_target_groups()["TargetGroups"]}
    rules = [rule for listener in listeners for rule in client("elbv2").describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]]
    names = {group["GroupId"]: group["GroupName"] for group in client("ec2").describe_security_groups()["SecurityGroups"]}
    ingress = sorted(
        [names[group["GroupId"]], rule["FromPort"], rule["ToPort"], sorted([names[pair["GroupId"]] for pair in rule["UserIdGroupPairs"]] + [found["CidrIp"] for found in rule["IpRanges"]])]
        for group in client("ec2").describe_security_groups()["SecurityGroups"]
        for rule in group["IpPermissions"]
        if "FromPort" in rule
    )
    task = client("ecs").list_task_definitions()["taskDefinitionArns"][0]
    task = client("ecs").describe_task_definition(taskDefinition=task)["taskDefinition"]
    cluster = client("ecs").list_clusters()["clusterArns"][0]
    service = client("ecs").list_services(cluster=cluster)["serviceArns"][0]
    service = client("ecs").describe_services(cluster=cluster, services=[service])["services"][0]
    iam = client("iam")
    roles = {
        role["RoleName"]: {name: iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"] for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]}
        for role in iam.list_roles()["Roles"]
    }
    parameters = client("ssm").get_parameters_by_path(Path="/social", Recursive=True)
    found = parameters["Parameters"]
    while "NextToken" in parameters:
        parameters = client("ssm").get_parameters_by_path(Path="/social", Recursive=True, NextToken=parameters["NextToken"])
        found += parameters["Parameters"]
    bucket = client("s3").list_buckets()["Buckets"][0]["Name"]
    return {
        "listeners": {str(listener["Port"]): listener["DefaultActions"][0] for listener in listeners},
        "rules": [[rule["Priority"], sorted(rule["Conditions"][0]["PathPatternConfig"]["Values"]), groups[rule["Actions"][0]["TargetGroupArn"]]["TargetGroupName"]] for rule in rules if rule["Priority"] != "default"],
        "target_groups": {group["TargetGroupName"]: [group["Port"], group["HealthCheckPath"], group["HealthCheckTimeoutSeconds"]] for group in groups.values()},
        "ingress": ingress,
        "containers": {container["name"]: container for container in task["containerDefinitions"]},
        "service": {key: service.get(key) for key in ("serviceName", "desiredCount")},
        "roles": roles,
        "retention": client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"],
        "parameters": {parameter["Name"]: parameter["Value"] for parameter in found},
        "bucket": client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"],
    }


def main():
    template, region = json.loads(open(sys.argv[1]).read()), sys.argv[2]
    if sys.argv[3:] == ["made"]:
        client = lambda service: boto3.client(service, region_name=region)
        stacked(template, client)
        print(json.dumps(called(client, "social")))
        return
    help_along()
    with mock_aws():
        client = lambda service: boto3.client(service, region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        stacked(template, client)
        print(json.dumps({"made": made(client, "social"), **described(client)}, default=str))


if __name__ == "__main__":
    main()
