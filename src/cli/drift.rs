//! `mastoform drift`: what is not as it was applied, and whose doing that is. It is handed a cloud that can only be
//! read. With `--accept`, what somebody changed becomes part of `mastodon.toml`, where that can say it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::files::{self, Project};
use super::plan::say_handed_over;
use super::{CommandError, DriftArguments, Exit, Ui, cloud};
use crate::address::Address;
use crate::config::edit;
use crate::diagnostic::SourceFile;
use crate::expr::Root;
use crate::file;
use crate::inert::shell_path;
use crate::ops::Settings;
use crate::plan::drift::{self, Drift, Finding, LeftOver, What};
use crate::plan::resolve::{Desired, resolve};
use crate::plan::{Action, Graph, Plan, cost};
use crate::provider::{Observations, Reader};
use crate::refresh;
use crate::render;
use crate::session::{self, Gathered, Remembered, neighbours};
use crate::value::{Tree, Value};

pub fn run(ui: &Ui, options: &Settings, arguments: &DriftArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let config = &project.config;
    let Some(read) = remembered(ui, &project)? else {
        return Err(CommandError::failure(format!("there is no {}", project.paths.state().display()))
            .hint("nothing was applied from here yet; `mastoform plan` shows what would be"));
    };
    let examined = cloud::runtime()?.block_on(async {
        let (nature, paths) = (&project.nature, &project.paths);
        let reader = cloud::connect_to_read(ui, options, nature, paths, &config.region).await?;
        examine(ui, &project, &reader, read).await
    })?;
    let Examined { gathered, found, .. } = &examined;
    say_handed_over(ui, &gathered.state);
    if arguments.accept {
        return accept(ui, options, &project, &examined);
    }
    if arguments.json {
        ui.json(&render::drift::drift_json(found, &config.name, &config.region, gathered.state.serial))?;
    } else {
        let title = title(ui, &project, gathered.state.serial);
        ui.data(&render::drift::drift(found, &title, &project.specs.types, &ui.render_options()))?;
        let is_only_failing = found.somebody.is_empty() && found.left_over.is_empty() && !found.failing.is_empty();
        if is_only_failing {
            ui.say("\n`mastoform plan` says what an apply does about it.");
        } else if found.is_present() {
            ui.say(
                "\n`mastoform apply` sets it back; `mastoform drift --accept` writes it into mastodon.toml instead.",
            );
        }
    }
    Ok(if arguments.detailed_exitcode && found.is_present() { Exit::Drift } else { Exit::Done })
}

/// What was found out about an instance.
pub(super) struct Examined {
    pub gathered: Gathered,
    pub graph: Graph,
    pub plan: Plan,
    pub found: Drift,
}

/// What is remembered of an instance, if it was ever applied.
pub(super) fn remembered(ui: &Ui, project: &Project) -> Result<Option<Remembered>, CommandError> {
    let config = &project.config;
    let read = session::read_state(&project.paths, &config.name, &config.region, "")?;
    if read.on_disk.is_none() {
        return Ok(None);
    }
    if !files::is_busy(ui, &project.paths)? && read.entries.iter().any(|entry| entry.record.address().is_some()) {
        ui.warn("a command was interrupted; what it has done since is not looked at");
    }
    Ok(Some(read))
}

/// Looks at the cloud, and compares. What AWS has announced is asked for at the same time.
pub(super) async fn examine(
    ui: &Ui,
    project: &Project,
    reader: &Arc<dyn Reader>,
    read: Remembered,
) -> Result<Examined, CommandError> {
    let nothing = BTreeMap::new();
    let world = project.world(&nothing, &Value::Null);
    let targets = refresh::targets(&project.specs.types, &read.state);
    let types = Arc::clone(&project.specs.types);
    let recorded = read.state.clone();
    let (gathered, announced, left_over) = tokio::join!(
        session::survey(reader, &world, read),
        reader.announced(&targets),
        neighbours::left_over(&**reader, &types, &recorded)
    );
    let gathered = gathered?;
    for failure in &announced.failures {
        ui.warn(&format!("could not read all that AWS has announced: {failure}"));
    }
    for failure in &left_over.failures {
        ui.warn(&format!("could not find out all that is left over: {failure}"));
    }
    let (graph, plan) = plan_of(project, &gathered)?;
    let nothing = Observations::new();
    let observations = gathered.observations.as_ref().unwrap_or(&nothing);
    let mut found = drift::drift(&plan, &gathered.state, observations, &announced.announcements, &project.specs.types);
    found.left_over = left_over.found;
    price(project, &gathered, &plan, &mut found.left_over)?;
    Ok(Examined { gathered, graph, plan, found })
}

/// Says what each of those left over costs, as far as that is known.
fn price(project: &Project, gathered: &Gathered, plan: &Plan, left_over: &mut [LeftOver]) -> Result<(), CommandError> {
    if left_over.is_empty() {
        return Ok(());
    }
    let world = project.world(&gathered.lookups, &gathered.state.settings);
    Ok(cost::price_left_over(&world, &gathered.state, plan, left_over)?)
}

/// The same for a command that goes on without a file, or with one of which there is no plan: then nobody knows.
pub(super) fn price_if_known(project: Option<&Project>, gathered: &Gathered, left_over: &mut [LeftOver]) {
    if let Some(project) = project
        && let Ok((_, plan)) = plan_of(project, gathered)
    {
        // A table of prices that is not sound is for the commands that are about prices.
        let _ = price(project, gathered, &plan, left_over);
    }
}

/// Whose drift it is.
pub(super) fn title(ui: &Ui, project: &Project, serial: u64) -> String {
    let config = &project.config;
    let parts = [&config.name, &config.title, &config.region, &format!("state {serial}")];
    parts.map(String::as_str).join(&format!(" {} ", ui.signs().dot))
}

/// The graph of the file, and the plan of it.
fn plan_of(project: &Project, gathered: &Gathered) -> Result<(Graph, Plan), CommandError> {
    let world = project.world(&gathered.lookups, &gathered.state.settings);
    let graph = resolve(&world)?;
    let (plan, _) = session::plan(&world, &graph, gathered)?;
    Ok((graph, plan))
}

/// What became of one finding.
enum Verdict {
    /// The file says it now; where.
    Written(String),
    /// The file cannot say it; why.
    Impossible(&'static str),
}

/// Writes what somebody changed into the file, as far as the file can say it. Each edit is tried first: it must take
/// away this difference, and bring no other.
fn accept(ui: &Ui, options: &Settings, project: &Project, examined: &Examined) -> Result<Exit, CommandError> {
    let Examined { gathered, graph, plan, found } = examined;
    let mut open = differences(plan);
    // Of what AWS did by itself, what the file says otherwise: a version that was raised.
    let types = &project.specs.types;
    let is_sayable = |finding: &&Finding| match &finding.what {
        What::Attribute { path, .. } => {
            types.get(&finding.address.type_name).is_some_and(|found| !found.is_computed(path))
        }
        What::Gone | What::Foreign { .. } | What::Busy { .. } | What::Reported { .. } => false,
    };
    let wanted: Vec<&Finding> = found.somebody.iter().chain(found.aws.iter().filter(is_sayable)).collect();
    if wanted.is_empty() {
        ui.say("There is nothing to accept.");
        return Ok(Exit::Done);
    }
    let name = &project.config.source.name;
    let mut text = project.config.source.text.clone();
    let mut impossible = 0;
    for finding in wanted {
        let is_edited_too = found.yours.iter().any(|edit| {
            edit.address == finding.address
                && matches!(&finding.what, What::Attribute { path, .. } if edit.path.as_ref() == Some(path))
        });
        let (what, verdict) = match &finding.what {
            What::Gone | What::Foreign { .. } | What::Busy { .. } | What::Reported { .. } => (
                finding.address.to_string(),
                Verdict::Impossible("it is gone; take away what asks for it, or let `apply` make it again"),
            ),
            What::Attribute { path, observed, .. } => {
                let verdict = if is_edited_too {
                    Verdict::Impossible("you have edited the same; decide between the two yourself")
                } else if observed.is_null() {
                    Verdict::Impossible("it was unset, and the file can only set")
                } else {
                    let candidates = candidates(graph.nodes.get(&finding.address), finding, path, observed, &text);
                    let taken = candidates.into_iter().find_map(|(words, candidate)| {
                        let left = differences(&trial(options, name, &candidate, gathered)?);
                        let gone = (finding.address.clone(), path.join("."));
                        (left.is_subset(&open) && !left.contains(&gone)).then_some((words, candidate, left))
                    });
                    match taken {
                        Some((words, candidate, left)) => {
                            text = candidate;
                            open = left;
                            Verdict::Written(words)
                        }
                        None => Verdict::Impossible("no setting decides it alone, and a patch cannot say it"),
                    }
                };
                (format!("{}: {}", finding.address, path.join(".")), verdict)
            }
        };
        match verdict {
            Verdict::Written(words) => ui.data(&format!("written   {what} as {words}"))?,
            Verdict::Impossible(why) => {
                impossible += 1;
                ui.data(&format!("not said  {what}: {why}"))?;
            }
        }
    }
    if text != project.config.source.text {
        file::replace(&options.file, text.as_bytes())?;
        let path = shell_path(&options.file);
        ui.say(&format!("\n{name} says now what AWS shows. Read the difference (`git diff {path}`) and commit it."));
    }
    if impossible > 0 {
        ui.hint("what the file does not say, the next `mastoform apply` sets back");
    }
    Ok(Exit::Done)
}

/// Every difference of a plan: an address and a path; for what comes or goes as a whole, the address alone.
fn differences(plan: &Plan) -> BTreeSet<(Address, String)> {
    let mut all = BTreeSet::new();
    for change in &plan.changes {
        if !matches!(change.action, Action::Update { .. }) {
            all.insert((change.address.clone(), String::new()));
        }
        all.extend(change.attributes.iter().map(|attribute| (change.address.clone(), attribute.path.join("."))));
    }
    all
}

/// The plan with another text for the file; `None` if that is no valid file.
fn trial(options: &Settings, name: &str, text: &str, gathered: &Gathered) -> Option<Plan> {
    let (project, _) = Project::from_source(options, &SourceFile::new(name, text)).ok()?;
    plan_of(&project, gathered).ok().map(|(_, plan)| plan)
}

/// Ways to say in the file that an attribute has a value: by the one setting it is, or by a patch. In words, and the
/// whole new text.
fn candidates(
    desired: Option<&Desired>,
    finding: &Finding,
    path: &[String],
    value: &Value,
    text: &str,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let shown = value.as_integer().map_or_else(|| value.clone(), Value::Integer);
    if let Some(input) = desired.and_then(|desired| setting_behind(desired, path))
        && let Ok(edited) = edit::set_input(text, &input, value)
    {
        all.push((format!("{} = {shown}", input.join(".")), edited));
    }
    if let Ok(edited) = edit::set_patch(text, &finding.address, path, value) {
        all.push((format!("[patch.{:?}] {} = {shown}", finding.address.to_string(), path.join(".")), edited));
    }
    all
}

/// The setting that an attribute is, unchanged: its template is `${config.…}` and nothing else.
fn setting_behind(desired: &Desired, path: &[String]) -> Option<Vec<String>> {
    let templates = Tree::Map(desired.templates().into_owned());
    let depth = (1..=path.len()).find(|depth| matches!(templates.at(&path[..*depth]), Some(Tree::Leaf(_))))?;
    let Some(Tree::Leaf(template)) = templates.at(&path[..depth]) else { return None };
    let expression = template.whole()?;
    let [reference] = &expression.references[..] else { return None };
    let is_plain = expression.source.trim() == format!("config.{}", reference.path.join("."));
    if reference.root != Root::Config || !is_plain {
        return None;
    }
    Some(reference.path.iter().chain(&path[depth..]).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::proposal::Proposal;
    use crate::cli::proposal::tests::Bench;
    use crate::cli::ui::captured::ui;
    use crate::provider::{Announced, Announcement, read_only};
    use crate::render::Options;

    async fn look(bench: &Bench) -> (Project, Examined) {
        let (project, _) = Project::read(&bench.options).unwrap_or_else(|error| panic!("{error}"));
        let read = session::read_state(&project.paths, "social", "eu-central-1", "").expect("a state");
        let nothing = BTreeMap::new();
        let reader = read_only(&bench.provider);
        let gathered = session::survey(&reader, &project.world(&nothing, &Value::Null), read).await.expect("a survey");
        let Proposal { graph, plan, .. } = bench.propose().await;
        let observations = gathered.observations.clone().unwrap_or_default();
        let Announced { announcements, failures } =
            reader.announced(&refresh::targets(&project.specs.types, &gathered.state)).await;
        assert_eq!(failures, []);
        let found = drift::drift(&plan, &gathered.state, &observations, &announcements, &project.specs.types);
        (project, Examined { gathered, graph, plan, found })
    }

    #[tokio::test]
    async fn it_is_told_whose_doing_it_is() {
        let bench = Bench::new();
        bench.apply().await;
        let (project, Examined { found, .. }) = look(&bench).await;
        assert_eq!(found, Drift::default());

        let change = |name: &str, path: &[&str], value: Value| {
            assert!(bench.sim.change_behind_our_back(name, path, value), "{name}");
        };
        change("elb.target_group.web", &["health_check", "interval"], Value::Integer(10));
        change("logs.log_group.mastodon", &["retention_days"], Value::Integer(30));
        change("rds.cluster.database", &["engine_version"], "17.10".into());
        change("rds.cluster.database", &["endpoint"], "elsewhere.example".into());
        assert!(bench.sim.remove_behind_our_back("elb.listener_rule.streaming"));
        bench.edit("max_capacity = 1", "max_capacity = 4\n[logs]\nretention_days = 60\n[redis]\nengine = \"redis\"");
        let (_, Examined { found, .. }) = look(&bench).await;
        let text = render::drift::drift(&found, "social", &project.specs.types, &Options::default());
        let text = anstream::adapter::strip_str(&text).to_string();
        let (somebody, rest) = text.split_once("\nAWS changed by itself:\n").expect("AWS's part");
        let (aws, yours) = rest.split_once("\nYou have edited, and not applied yet:\n").expect("your part");
        assert_eq!(
            somebody,
            "social\n\nSomebody changed, outside of mastoform:\n\
             \x20 elb.listener_rule.streaming is gone\n\
             \x20 elb.target_group.web\n\
             \x20     health_check.interval  15 → 10\n\
             \x20 logs.log_group.mastodon\n\
             \x20     retention_days  14 → 30\n"
        );
        assert_eq!(
            aws,
            "  rds.cluster.database\n\
             \x20     engine_version  \"17.9\" → \"17.10\"\n\
             \x20     endpoint        social-database.cluster-[..].eu-central-1.rds.amazonaws.com → elsewhere.example\n"
                .replace("[..]", hex(aws))
        );
        for line in [
            "  elasticache.cluster.cache (create)\n",
            "  elasticache.replication_group.cache (delete)\n",
            "  rds.cluster.database (update)\n      serverless_v2.max  ",
            "  logs.log_group.mastodon (update)\n      retention_days  ",
        ] {
            assert!(yours.contains(line), "{line}\n{yours}");
        }
        assert!(!yours.contains("listener_rule"), "what is gone is nobody's edit: {yours}");
    }

    #[tokio::test]
    async fn what_is_announced_is_told_and_is_neither_drift_nor_a_change() {
        let bench = Bench::new();
        bench.apply().await;
        let announcement = |address: &str, attributes: &[(&str, Value)]| Announcement {
            address: address.parse().expect("an address"),
            what: "maintenance of the operating system".to_owned(),
            when: Some("at the latest on 2026-12-01T03:00:00Z".to_owned()),
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        };
        assert!(bench.sim.announce(announcement("rds.cluster.database", &[("engine_version", "17.10".into())])));
        let (project, Examined { plan, found, .. }) = look(&bench).await;
        assert!(plan.is_empty(), "{:?}", plan.changes);
        assert!(!found.is_present());
        let text = render::drift::drift(&found, "social", &project.specs.types, &Options::default());
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "social\n\nAWS has announced:\n\
             \x20 rds.cluster.database: maintenance of the operating system, at the latest on 2026-12-01T03:00:00Z\n\
             \x20     engine_version  \u{2192} \"17.10\"\n\n\
             No drift, 1 announcement by AWS."
        );

        // What was applied and waits for the maintenance window still shows the old value. Somebody's change does, too.
        let change = |name: &str, value: Value| {
            assert!(bench.sim.change_behind_our_back("rds.cluster.database", &[name], value), "{name}");
        };
        change("backup_retention_days", Value::Integer(3));
        change("deletion_protection", Value::Bool(true));
        let names = |found: &Drift| -> Vec<String> {
            let names = found.somebody.iter().filter_map(|finding| match &finding.what {
                What::Attribute { path, .. } => Some(path.join(".")),
                _ => None,
            });
            names.collect()
        };
        let (_, Examined { gathered, found, .. }) = look(&bench).await;
        assert_eq!(names(&found), ["backup_retention_days", "deletion_protection"]);
        let recorded = gathered.state.rows[&"rds.cluster.database".parse().expect("an address")].inputs.clone();
        let days = recorded.get("backup_retention_days").cloned().expect("it was set");
        assert!(bench.sim.announce(announcement("rds.cluster.database", &[("backup_retention_days", days)])));
        let (_, Examined { found, .. }) = look(&bench).await;
        assert_eq!(names(&found), ["deletion_protection"]);
    }

    fn hex(text: &str) -> &str {
        text.split_once(".cluster-").and_then(|(_, rest)| rest.split_once('.')).map_or("", |(hex, _)| hex)
    }

    #[tokio::test]
    async fn what_is_accepted_is_no_difference_any_more_and_the_rest_is_named() {
        let bench = Bench::new();
        bench.apply().await;
        let change = |name: &str, path: &[&str], value: Value| {
            assert!(bench.sim.change_behind_our_back(name, path, value), "{name}");
        };
        change("elb.target_group.web", &["health_check", "interval"], Value::Integer(10));
        change("rds.cluster.database", &["serverless_v2", "max"], Value::Number(2.0));
        change("rds.cluster.database", &["engine_version"], "17.10".into());
        assert!(bench.sim.remove_behind_our_back("elb.listener_rule.streaming"));
        let before = fs_err::read_to_string(&bench.options.file).expect("a file");
        let (project, examined) = look(&bench).await;
        let (ui, out, _) = ui(false, "");
        accept(&ui, &bench.options, &project, &examined).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            out.take(),
            "not said  elb.listener_rule.streaming: it is gone; take away what asks for it, or let `apply` make it again\n\
             written   elb.target_group.web: health_check.interval as [patch.\"elb.target_group.web\"] health_check.interval = 10\n\
             written   rds.cluster.database: serverless_v2.max as database.max_capacity = 2\n\
             written   rds.cluster.database: engine_version as database.engine_version = \"17.10\"\n"
        );
        let after = fs_err::read_to_string(&bench.options.file).expect("a file");
        let expected = before.replace("max_capacity = 1", "max_capacity = 2\nengine_version = \"17.10\"")
            + "\n[patch.\"elb.target_group.web\"]\nhealth_check.interval = 10\n";
        assert_eq!(after, expected);
        let Proposal { plan, .. } = bench.propose().await;
        let left: Vec<String> = plan.changes.iter().map(|change| change.address.to_string()).collect();
        assert_eq!(left, ["elb.listener_rule.streaming"]);
        bench.apply().await;
        assert_eq!(look(&bench).await.1.found, Drift::default(), "nothing is drift once it is applied");
    }
}
