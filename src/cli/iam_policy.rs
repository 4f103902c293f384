//! `mastoform iam-policy`: what whoever runs the other commands must be allowed to do in AWS, for this file. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{self, Project};
use super::{CommandError, Exit, GlobalOptions, IamPolicyArguments, Ui};
use crate::plan::permissions::{self, LONGEST, Place, Policy};
use crate::plan::resolve::resolve;
use crate::session::{self, Gathered};
use crate::state::State;

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &IamPolicyArguments) -> Result<Exit, CommandError> {
    let (project, _) = Project::read(options)?;
    let state = files::read_state(ui, &project.paths)?;
    let policies = policies(&project, state, arguments.read_only)?;
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

fn policies(project: &Project, state: Option<State>, only_read: bool) -> Result<Vec<Policy>, CommandError> {
    let config = &project.config;
    let state = state.unwrap_or_else(|| State::new("", config.name.as_str(), config.region.as_str()));
    // Planned over nothing, every resource tells all its attributes.
    let gathered = Gathered {
        lookups: state.lookups.clone(),
        ..Gathered::offline(State::new("", config.name.as_str(), config.region.as_str()))
    };
    let world = project.world(&gathered.lookups);
    let graph = resolve(&world, &project.specs)?;
    let (plan, _) = session::plan(&world, &graph, &gathered)?;
    let desired: BTreeMap<_, _> =
        plan.changes.into_iter().filter_map(|change| Some((change.address, change.desired?))).collect();
    let looked_up: BTreeSet<_> = project
        .specs
        .blueprint
        .resources
        .values()
        .filter(|resource| resource.lookup.is_some())
        .map(|resource| resource.type_name.clone())
        .collect();
    let place = Place { region: &config.region, account: state.account.as_deref() };
    let types = &project.specs.types;
    let statements = permissions::statements(&graph, &desired, &state, types, &looked_up, place, only_read);
    Ok(permissions::policies(statements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;

    const EXAMPLE: &str = include_str!("../../mastodon.toml");

    fn of(text: &str, only_read: bool) -> Vec<Policy> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::write(&options.file, text).expect("written");
        let (project, _) = Project::read(&options).unwrap_or_else(|error| panic!("{error}"));
        policies(&project, None, only_read).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Every action of a policy with what it is allowed on.
    fn allowed(policies: &[Policy]) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for statement in policies.iter().flat_map(|policy| &policy.statement) {
            for action in &statement.action {
                assert_eq!(all.insert(action.clone(), statement.resource.clone()), None, "{action} stands twice");
            }
        }
        all
    }

    #[test]
    fn every_permission_of_the_types_in_use_is_in_it_and_no_other() {
        let policies = of(EXAMPLE, false);
        assert!(policies.iter().all(|policy| policy.size() <= LONGEST));
        let all = allowed(&policies);
        assert_eq!(all["rds:CreateDBCluster"], ["*"]);
        assert_eq!(all["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-central-1:*:secret:social/*"]);
        assert_eq!(
            all["s3:DeleteObject"],
            ["arn:aws:s3:::social-example-org-media", "arn:aws:s3:::social-example-org-media/*"]
        );
        assert_eq!(all["iam:PassRole"], all["iam:CreateRole"], "roles are handed over, and only our own");
        assert!(all["iam:PassRole"].iter().all(|role| role.contains(":role/social-")), "{:?}", all["iam:PassRole"]);
        assert_eq!(all["logs:DescribeLogGroups"], ["*"]);
        assert_eq!(all["tag:GetResources"], ["*"], "the index of tags is one for everything");
        let registration = "arn:aws:ssm:eu-central-1:*:parameter/mastoform/social";
        assert_eq!(all["ssm:GetParameter"], [registration]);
        assert!(all["ssm:DeleteParameter"].iter().any(|resource| resource == registration));
        assert_eq!(all["ec2:DescribeVpcs"], ["*"], "what is looked up is read");
        assert!(all.contains_key("elasticache:CreateReplicationGroup"));
        assert!(!all.contains_key("elasticache:CreateCacheCluster"), "another engine's");
        let other = allowed(&of(&format!("{EXAMPLE}\n[redis]\nengine = \"redis\"\n"), false));
        assert!(other.contains_key("elasticache:CreateCacheCluster"));
        for policy in policies {
            for statement in policy.statement {
                assert!(statement.action.is_sorted() && statement.resource.is_sorted());
            }
        }
    }

    #[test]
    fn reading_alone_takes_no_writing() {
        let all = allowed(&of(EXAMPLE, true));
        let verbs = ["Describe", "Get", "List"];
        for action in all.keys() {
            let verb = action.split(':').next_back().unwrap_or_default();
            assert!(verbs.iter().any(|reading| verb.starts_with(reading)), "{action}");
        }
        assert!(all.contains_key("tag:GetResources") && all.contains_key("ssm:GetParameter"));
    }
}
