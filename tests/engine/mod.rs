//! The whole engine over the simulated cloud, without a command line.

use mastoform::apply::Outcome;
use mastoform::plan::{Action, Plan};

use crate::support::instance::{EXAMPLE, Instance, example};

fn changed(plan: &Plan) -> Vec<String> {
    plan.changes
        .iter()
        .map(|change| {
            let verb = match &change.action {
                Action::Create => "create",
                Action::Update { .. } => "update",
                Action::Replace { .. } => "replace",
                Action::Delete => "delete",
                Action::Adopt => "adopt",
                Action::Forget => "forget",
            };
            format!("{verb} {}", change.address)
        })
        .collect()
}

fn completed(outcome: Option<Outcome>) {
    match outcome {
        Some(Outcome::Completed(_)) => {}
        other => panic!("not completed: {other:#?}"),
    }
}

#[tokio::test]
async fn apply_then_plan_is_empty() {
    let instance = Instance::new();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    completed(outcome);
    assert!(plan.changes.len() > 45, "{}", plan.changes.len());
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
    assert!(!instance.paths().journal().exists(), "a finished run leaves no journal");
}

#[tokio::test]
async fn maintenance_changes_task_definition_service_and_role_and_nothing_else() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let maintenance = example(&[(r#"run_mode = "production""#, r#"run_mode = "maintenance""#)]);
    let (plan, outcome) = instance.go(&maintenance, true).await.expect("applies");
    let mut names = changed(&plan);
    names.sort();
    assert_eq!(
        names,
        ["replace ecs.task_definition.mastodon", "update ecs.service.mastodon", "update iam.role.tasks"]
    );
    completed(outcome);
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn destroy_leaves_nothing() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let (_, outcome) = instance.destroy().await;
    completed(Some(outcome));
    assert_eq!(instance.sim.objects().len(), 0, "{:#?}", instance.sim.objects());
    assert_eq!(instance.state().map(|state| state.rows.len()), Some(0));
}
