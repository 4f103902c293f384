//! `mastoform iam-policy`: what whoever runs the other commands must be allowed to do in AWS, for this file.
//!
//! The account comes from the state. Where there is none yet, the credentials are asked whose they are; without any, or
//! offline, the policy is good for every account, and says so.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{self, Project};
use super::{CommandError, Exit, IamPolicyArguments, Ui, cloud};
use crate::address::TypeName;
use crate::ops::Settings;
use crate::plan::permissions::{self, Half, LONGEST, Place, Policy, Wanted};
use crate::plan::resolve::{World, resolve, wanted_lookups};
use crate::session::{self, Gathered};
use crate::state::State;

pub fn run(ui: &Ui, options: &Settings, arguments: &IamPolicyArguments) -> Result<Exit, CommandError> {
    let (project, _) = Project::read(options)?;
    let state = files::read_state(ui, &project.paths)?;
    let remembered = state.as_ref().and_then(|state| state.account.clone());
    let account = match remembered {
        Some(account) => Some(account),
        None if arguments.offline => None,
        None => caller(ui, options, &project),
    };
    if account.is_none() {
        ui.say("whose account this is for is not known, so the policy names any with `*`");
    }
    let half = match (arguments.read_only, arguments.bootstrap) {
        (true, _) => Half::Reading,
        (false, true) => Half::Bootstrap,
        (false, false) => Half::Daily,
    };
    let mut warnings = Vec::new();
    let policies = policies(&project, state, account.as_deref(), half, &mut warnings)?;
    warnings.iter().for_each(|warning| ui.warn(warning));
    let policy = match (arguments.part, policies.as_slice()) {
        (None, [only]) => only,
        (None, several) => {
            let message = format!("this takes {} policies: one may have {LONGEST} characters", several.len());
            return Err(CommandError::failure(message).hint("print each with --part 1, --part 2 and so on"));
        }
        (Some(number), all) => all
            .get(number.saturating_sub(1))
            .ok_or_else(|| CommandError::failure(format!("there are {} parts", all.len())))?,
    };
    ui.json(&serde_json::to_value(policy).unwrap_or_default())?;
    Ok(Exit::Done)
}

/// Whose credentials these are, if they can be asked.
fn caller(ui: &Ui, options: &Settings, project: &Project) -> Option<String> {
    let asked = cloud::runtime().ok()?.block_on(async {
        let nature = &project.nature;
        let reader = cloud::connect_to_read(ui, options, nature, &project.paths, &project.config.region).await.ok()?;
        reader.account().await.ok()
    });
    asked.map(|account| account.id)
}

fn policies(
    project: &Project,
    state: Option<State>,
    account: Option<&str>,
    half: Half,
    warnings: &mut Vec<String>,
) -> Result<Vec<Policy>, CommandError> {
    let config = &project.config;
    let state = state.unwrap_or_else(|| State::new("", config.name.as_str(), config.region.as_str()));
    // Planned over nothing, every resource tells all its attributes.
    let gathered = Gathered {
        lookups: state.lookups.clone(),
        ..Gathered::offline(State::new("", config.name.as_str(), config.region.as_str()))
    };
    let world = project.world(&gathered.lookups, &state.settings);
    let graph = resolve(&world)?;
    let (plan, _) = session::plan(&world, &graph, &gathered)?;
    let desired: BTreeMap<_, _> =
        plan.changes.into_iter().filter_map(|change| Some((change.address, change.desired?))).collect();
    let wanted = Wanted {
        graph: &graph,
        desired: &desired,
        state: &state,
        types: &project.specs.types,
        looked_up: &looked_up(&world)?,
        place: Place { instance: &config.name, region: &config.region, account },
    };
    warnings.extend(wanted.left_out());
    Ok(permissions::policies(permissions::statements(&wanted, half)))
}

/// The types that are looked up, and where.
fn looked_up(world: &World<'_>) -> Result<BTreeMap<TypeName, BTreeSet<String>>, CommandError> {
    let mut regions: BTreeMap<TypeName, BTreeSet<String>> = BTreeMap::new();
    let resources = world.specs.blueprint.resources.iter().filter(|(_, resource)| resource.lookup.is_some());
    for (name, resource) in resources {
        if world.is_left_out(resource)? {
            continue;
        }
        // Those that read another one's answer are asked where the instance is, unless they say where.
        regions.entry(name.0.clone()).or_default().insert(world.config.region.clone());
    }
    let nothing = BTreeMap::new();
    for lookup in wanted_lookups(&World { lookups: &nothing, ..*world })? {
        regions.entry(lookup.address.type_name).or_default().insert(lookup.region);
    }
    Ok(regions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, Identity};
    use crate::cli::files::tests::options;
    use crate::state::Row;
    use crate::value::Value;

    const EXAMPLE: &str = include_str!("../../mastodon.toml");

    fn of(text: &str, half: Half) -> Vec<Policy> {
        let (policies, warnings) = warned(text, half);
        assert_eq!(warnings, Vec::<String>::new());
        policies
    }

    /// The policies for a file, and what is said about them.
    fn warned(text: &str, half: Half) -> (Vec<Policy>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::write(&options.file, text).expect("written");
        let (project, _) = Project::read(&options).unwrap_or_else(|error| panic!("{error}"));
        let mut warnings = Vec::new();
        let policies = policies(&project, None, Some("123456789012"), half, &mut warnings);
        (policies.unwrap_or_else(|error| panic!("{error}")), warnings)
    }

    /// The policies for the example and a state with such rows.
    fn forged(rows: &[(&str, serde_json::Value)], half: Half) -> (Vec<Policy>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::write(&options.file, EXAMPLE).expect("written");
        let (project, _) = Project::read(&options).unwrap_or_else(|error| panic!("{error}"));
        let mut state = State::new("lineage", "social", "eu-central-1");
        for (address, inputs) in rows {
            let address: Address = address.parse().expect("an address");
            let inputs = Value::from_json(inputs);
            let row = Row::skipped(&address, "eu-central-1".to_owned(), inputs, BTreeSet::new());
            state.rows.insert(address, Row { identity: Some(Identity::new("x")), ..row });
        }
        let mut warnings = Vec::new();
        let policies = policies(&project, Some(state), Some("123456789012"), half, &mut warnings);
        (policies.unwrap_or_else(|error| panic!("{error}")), warnings)
    }

    /// A forged state or patch does not widen the policy.
    #[test]
    fn names_that_only_a_state_has_allow_nothing() {
        let rows = [
            ("s3.bucket.media", serde_json::json!({ "bucket": "*" })),
            ("s3.bucket.other", serde_json::json!({ "bucket": "prod-data" })),
            ("iam.role.tasks", serde_json::json!({ "name": "*", "permissions_boundary": "*" })),
            ("secretsmanager.secret.a", serde_json::json!({ "name": "*" })),
            ("secretsmanager.secret.b", serde_json::json!({ "name": "prod/db" })),
            ("ssm.parameter.postgres_host", serde_json::json!({ "name": "/*" })),
        ];
        for half in [Half::Reading, Half::Daily, Half::Bootstrap] {
            let honest = of(EXAMPLE, half);
            let (policies, warnings) = forged(&rows, half);
            assert_eq!(policies, honest, "{half:?}");
            assert!(
                warnings.iter().any(|one| one.contains("s3.bucket.other has the bucket \"prod-data\"")),
                "{warnings:?}"
            );
        }
        // A name with the instance's own in it counts: the object may still have to be deleted.
        let (policies, warnings) =
            forged(&[("s3.bucket.old", serde_json::json!({ "bucket": "social-old" }))], Half::Daily);
        assert!(allowed(&policies)["s3:DeleteBucket"].contains("arn:aws:s3:::social-old"));
        assert_eq!(warnings, Vec::<String>::new());
    }

    /// A row that does not say its object's name names nobody's object, and not everybody's.
    #[test]
    fn rows_without_a_name_allow_nothing() {
        let nothing = serde_json::json!({});
        let rows = [
            ("s3.bucket.zz", nothing.clone()),
            ("s3.bucket.several", serde_json::json!({ "bucket": ["social"] })),
            ("iam.role.zz", nothing.clone()),
            ("iam.policy.zz", nothing.clone()),
            ("rds.cluster.zz", nothing.clone()),
            ("secretsmanager.secret.zz", nothing.clone()),
            ("secretsmanager.secret.number", serde_json::json!({ "name": 5 })),
            ("ssm.parameter.zz", nothing.clone()),
            ("ssm.parameter.null", serde_json::json!({ "name": null })),
            ("ssm.parameter.table", serde_json::json!({ "name": { "a": "social" } })),
        ];
        for half in [Half::Reading, Half::Daily, Half::Bootstrap] {
            let (policies, warnings) = forged(&rows, half);
            assert_eq!(policies, of(EXAMPLE, half), "{half:?}");
            for (address, _) in &rows {
                assert!(warnings.iter().any(|one| one.contains(address)), "{address}: {warnings:?}");
            }
        }
        // Types that the file does not use at all, and an id that AWS has made.
        let unused = [
            ("route53.record.zz", serde_json::json!({ "name": "x.example" })),
            ("route53.zone.zz", serde_json::json!({ "name": "x.example" })),
            ("iam.group.zz", nothing.clone()),
            ("ses.smtp_user.zz", nothing),
        ];
        for half in [Half::Reading, Half::Daily, Half::Bootstrap] {
            let (policies, _) = forged(&unused, half);
            let honest = allowed(&of(EXAMPLE, half));
            for (action, on) in allowed(&policies) {
                let known = honest.get(&action).cloned().unwrap_or_default();
                let added: Vec<&String> = on.difference(&known).filter(|on| *on != "*").collect();
                assert_eq!(added, Vec::<&String>::new(), "{action}");
            }
        }
    }

    /// Many names are no reason to allow what others are called.
    #[test]
    fn names_without_a_common_beginning_of_the_instances_own_stand_for_themselves() {
        let names = ["social", "social.b", "social_c", "social-d"];
        let rows: Vec<(String, serde_json::Value)> = names
            .iter()
            .enumerate()
            .map(|(number, name)| (format!("s3.bucket.z{number}"), serde_json::json!({ "bucket": name })))
            .collect();
        let rows: Vec<(&str, serde_json::Value)> =
            rows.iter().map(|(address, inputs)| (address.as_str(), inputs.clone())).collect();
        let mut deleted = allowed(&forged(&rows, Half::Daily).0)["s3:DeleteBucket"].clone();
        deleted.retain(|on| !on.contains('/'));
        let wanted = names.iter().copied().chain(["social-example-org-media"]);
        assert_eq!(deleted, wanted.map(|name| format!("arn:aws:s3:::{name}")).collect());
        let zones: Vec<String> = (0..5).map(|number| format!("route53.zone.z{number}")).collect();
        let zones: Vec<(&str, serde_json::Value)> = zones
            .iter()
            .map(|address| (address.as_str(), serde_json::json!({ "name": "x.example", "id": format!("Z{address}") })))
            .collect();
        let deleted = allowed(&forged(&zones, Half::Bootstrap).0)["route53:DeleteHostedZone"].clone();
        assert_eq!(deleted.len(), 5, "{deleted:?}");
        // One line of the file gives one name more.
        for (line, action, wanted) in [
            ("ssm.parameter.postgres_host\"]\nname = \"/x\"", "ssm:PutParameter", "parameter/x"),
            ("secretsmanager.secret.rails\"]\nname = \"x\"", "secretsmanager:DeleteSecret", "secret:x-*"),
        ] {
            let honest = allowed(&of(EXAMPLE, Half::Daily));
            let policies = of(&format!("{EXAMPLE}\n[patch.\"{line}\n"), Half::Daily);
            let found = allowed(&policies);
            let added: Vec<&String> = found[action].difference(&honest[action]).collect();
            assert!(matches!(added[..], [one] if one.ends_with(&format!(":{wanted}"))), "{added:?}");
        }
    }

    /// A name that only an apply tells is not every name.
    #[test]
    fn names_that_are_not_known_yet_allow_nothing() {
        for (address, attribute, value) in [
            ("s3.bucket.media", "bucket", "x${rds.cluster.database.resource_id}"),
            ("s3.bucket.media", "bucket", "${rds.cluster.database.resource_id}"),
            ("iam.role.tasks", "name", "x${rds.cluster.database.resource_id}"),
            ("ssm.parameter.postgres_host", "name", "/${rds.cluster.database.resource_id}"),
        ] {
            for half in [Half::Reading, Half::Daily, Half::Bootstrap] {
                let text = format!("{EXAMPLE}\n[patch.\"{address}\"]\n{attribute} = \"{value}\"\n");
                let (policies, warnings) = warned(&text, half);
                let honest = allowed(&of(EXAMPLE, half));
                for (action, on) in allowed(&policies) {
                    let added: Vec<&String> = on.difference(&honest[&action]).collect();
                    let is_listed = |on: &&String| !on.ends_with("/*") && !on.ends_with(":*") && *on != "*";
                    assert!(added.iter().all(is_listed), "{address}, {action}: {added:?}");
                }
                let said = format!("the {attribute} of {address} is known only after an apply");
                assert!(warnings.iter().any(|one| one.contains(&said)), "{warnings:?}");
            }
        }
    }

    /// The boundaries that conditions allow.
    fn boundaries(policies: &[Policy]) -> BTreeSet<String> {
        let statements = policies.iter().flat_map(|policy| &policy.statement);
        let keys = statements.flat_map(|one| one.condition.values());
        keys.filter_map(|keys| keys.get("iam:PermissionsBoundary")).flatten().cloned().collect()
    }

    /// Only a policy that the instance itself makes bounds its roles.
    #[test]
    fn a_boundary_that_is_not_the_instances_own_is_in_no_condition() {
        let own = BTreeSet::from(["arn:aws:iam::123456789012:policy/social-eu-central-1-boundary".to_owned()]);
        assert_eq!(boundaries(&of(EXAMPLE, Half::Daily)), own);
        for foreign in ["arn:aws:iam::aws:policy/AdministratorAccess", "*", "arn:aws:iam::123456789012:policy/social-x"]
        {
            let patch = format!("[patch.\"iam.role.tasks\"]\npermissions_boundary = \"{foreign}\"\n");
            for half in [Half::Daily, Half::Bootstrap] {
                let (policies, warnings) = warned(&format!("{EXAMPLE}\n{patch}"), half);
                assert!(boundaries(&policies).is_subset(&own), "{foreign}: {:?}", boundaries(&policies));
                let said = "iam.role.tasks has the permissions_boundary";
                assert!(warnings.iter().any(|one| one.contains(said)), "{warnings:?}");
                let name = "social-eu-central-1-tasks";
                let row = ("iam.role.tasks", serde_json::json!({ "name": name, "permissions_boundary": foreign }));
                let (policies, _) = forged(&[row], half);
                assert!(boundaries(&policies).is_subset(&own), "{foreign}: {:?}", boundaries(&policies));
            }
        }
        let patch = "[patch.\"iam.role.tasks\"]\npermissions_boundary = \"arn:aws:iam::123456789012:policy/social-eu-central-1-boundary\"\n";
        assert_eq!(boundaries(&of(&format!("{EXAMPLE}\n{patch}"), Half::Daily)), own, "however it is spelled");
    }

    #[test]
    fn a_star_in_a_name_is_no_pattern() {
        let text = format!("{EXAMPLE}\n[patch.\"iam.role.tasks\"]\nmanaged_policy_arns = [\"*\"]\n");
        let policies = of(&text, Half::Daily);
        let conditions: Vec<_> =
            policies.iter().flat_map(|policy| &policy.statement).map(|one| &one.condition).collect();
        assert!(conditions.iter().all(|condition| !condition.contains_key("StringLike")), "{conditions:?}");
        let attached: Vec<&String> = conditions
            .iter()
            .filter_map(|condition| condition.get("ArnEquals")?.get("iam:PolicyARN"))
            .flatten()
            .collect();
        assert_eq!(attached, ["${*}"]);
    }

    /// Every action of a policy with what it is allowed on, under any conditions.
    fn allowed(policies: &[Policy]) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for statement in policies.iter().flat_map(|policy| &policy.statement) {
            for action in &statement.action {
                all.entry(action.clone()).or_default().extend(statement.resource.iter().cloned());
            }
        }
        all
    }

    #[test]
    fn every_permission_of_the_types_in_use_is_in_it_and_no_other() {
        let policies = of(EXAMPLE, Half::Daily);
        assert!(policies.iter().all(|policy| policy.size() <= LONGEST));
        let all = allowed(&policies);
        let on = |action: &str| all[action].iter().map(String::as_str).collect::<Vec<_>>();
        let home = "eu-central-1:123456789012";
        assert_eq!(
            on("rds:DeleteDBCluster")[0],
            format!("arn:aws:rds:{home}:cluster-snapshot:social-database-final-*")
        );
        assert_eq!(on("rds:DeleteDBCluster")[1], format!("arn:aws:rds:{home}:cluster:social-database"));
        assert_eq!(on("secretsmanager:GetSecretValue"), [format!("arn:aws:secretsmanager:{home}:secret:social/*")]);
        assert_eq!(
            on("s3:DeleteObject"),
            ["arn:aws:s3:::social-example-org-media", "arn:aws:s3:::social-example-org-media/*"]
        );
        let roles = ["execution", "shell", "tasks"]
            .map(|role| format!("arn:aws:iam::123456789012:role/social-eu-central-1-{role}"));
        assert_eq!(on("iam:PassRole"), roles, "roles are handed over, and only our own");
        assert_eq!(on("iam:CreateRole"), roles);
        assert_eq!(on("logs:DescribeLogGroups"), ["*"]);
        assert_eq!(on("tag:GetResources"), ["*"], "the index of tags is one for everything");
        let registration = format!("arn:aws:ssm:{home}:parameter/mastoform/social");
        assert_eq!(on("ssm:GetParameter"), [registration.as_str()]);
        assert!(on("ssm:DeleteParameter").contains(&registration.as_str()));
        assert_eq!(on("ec2:DescribeVpcs"), ["*"], "what is looked up is read");
        assert!(all.contains_key("elasticache:CreateReplicationGroup"));
        assert!(!all.contains_key("elasticache:CreateCacheCluster"), "another engine's");
        assert!(!all.contains_key("iam:AttachRolePolicy"), "no policy is attached to a role");
        let other = allowed(&of(&format!("{EXAMPLE}\n[redis]\nengine = \"redis\"\n"), Half::Daily));
        assert!(other.contains_key("elasticache:CreateCacheCluster"));
        for policy in policies {
            for statement in policy.statement {
                assert!(statement.action.is_sorted() && statement.resource.is_sorted());
                let is_bound = statement.condition.values().any(|keys| keys.contains_key("aws:RequestedRegion"));
                assert!(is_bound || !statement.resource.contains(&"*".to_owned()), "{statement:?}");
            }
        }
    }

    #[test]
    fn the_policy_for_the_beginning_is_one_and_what_it_adds_is_in_no_other() {
        let bootstrap = allowed(&of(EXAMPLE, Half::Bootstrap));
        let added: Vec<&str> = bootstrap.keys().map(String::as_str).collect();
        assert_eq!(
            added,
            [
                "acm:AddTagsToCertificate",
                "cloudfront:CreateDistribution",
                "cloudfront:DeleteCachePolicy",
                "cloudfront:DeleteOriginAccessControl",
                "cloudfront:DeleteResponseHeadersPolicy",
                "cloudfront:TagResource",
                "cloudfront:UpdateCachePolicy",
                "cloudfront:UpdateOriginAccessControl",
                "cloudfront:UpdateResponseHeadersPolicy",
                "iam:CreatePolicy",
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:UpdateAssumeRolePolicy",
                "kms:TagResource",
            ]
        );
        assert_eq!(of(EXAMPLE, Half::Bootstrap).len(), 1);
        let both = [of(EXAMPLE, Half::Daily), of(EXAMPLE, Half::Bootstrap)].concat();
        assert!(!allowed(&both).contains_key("iam:DeleteRolePermissionsBoundary"), "a boundary stays");
    }

    #[test]
    fn reading_alone_takes_no_writing_and_no_secret() {
        let all = allowed(&of(EXAMPLE, Half::Reading));
        let verbs = ["Describe", "Get", "List"];
        for action in all.keys() {
            let verb = action.split(':').next_back().unwrap_or_default();
            assert!(verbs.iter().any(|reading| verb.starts_with(reading)), "{action}");
        }
        assert!(!all.contains_key("secretsmanager:GetSecretValue"));
        assert!(allowed(&of(EXAMPLE, Half::Daily)).contains_key("secretsmanager:GetSecretValue"), "applying takes it");
        assert!(all.contains_key("tag:GetResources") && all.contains_key("ssm:GetParameter"));
    }
}
