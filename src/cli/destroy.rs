//! `mastoform destroy`: takes the whole instance down. Needs the state, not a valid `mastodon.toml`; one that can be read
//! protects what it says, and decides how things are deleted.

use std::sync::Arc;
use std::time::Duration;

use super::apply::{Terminal, carry_out, confirm_name, deletes, losses, offered, person, say_lost, tell};
use super::cloud;
use super::drift::price_if_known;
use super::error::{CommandError, Exit};
use super::files::Written;
use super::plan::{say_newer, say_notes, write_page};
use super::{DestroyArguments, Ui, files};
use crate::ops::{Credits, Deed, Nature, Operation, Settings, Source};
use crate::plan::drift::LeftOver;
use crate::plan::{Action, Cause, Plan};
use crate::provider::read_only;
use crate::render;
use crate::render::graph::Drawing;
use crate::session::{self, neighbours};
use crate::spec::Types;
use crate::state::{Journal, Paths, Record, State, history, was_not_run};

pub fn run(ui: &Ui, options: &Settings, arguments: &DestroyArguments) -> Result<Exit, CommandError> {
    let mut specs = files::read_specs(options)?;
    let nature = Nature::of(&specs);
    let paths = files::recorded_paths(options)?;
    let Some(recorded) = State::read(&paths.state())? else {
        paths.refuse_lost()?;
        return Err(CommandError::failure(format!("there is no state {}", paths.state().display()))
            .hint(if begun_from_a_state(&paths)? {
                "a command was interrupted and its state is gone: take it back with `mastoform state restore`, or go on with \
                 what lives with `mastoform apply --adopt-own` once the journal is moved away"
            } else if paths.journal().exists() {
                "a first apply was interrupted before it had recorded anything: run `mastoform apply`, which takes it up again"
            } else {
                "nothing was ever applied from here"
            }));
    };
    specs.types = session::learned(&nature.types, &history::read(&paths)?);
    let specs = Arc::new(specs);
    let State { instance: name, region, .. } = recorded;
    let begun = Operation::begin(Deed::Destroy, &paths, &specs, Written(options))?;
    cloud::runtime()?.block_on(async {
        let provider = cloud::connect(ui, options, &nature, &paths, &region).await?;
        let reader = read_only(&provider);
        // Whatever is wrong with the file, what was made of it can be taken down.
        let project = Written(options).read().ok();
        let Some((operation, mut offer)) = offered(begun, project, &reader).await? else {
            return Ok(Exit::Done);
        };
        say_notes(ui, &offer.gathered);
        let mut left_over = neighbours::left_over(&*reader, &specs.types, &offer.gathered.state).await;
        for failure in &left_over.failures {
            ui.warn(&format!("could not find out all that is left over: {failure}"));
        }
        if !left_over.found.is_empty() {
            price_if_known(offer.project.as_ref(), &offer.gathered, &mut left_over.found);
        }
        for thing @ LeftOver { name, address, .. } in &left_over.found {
            let made_as = address.as_ref().map(|address| format!(", made as {address}")).unwrap_or_default();
            let cost = render::drift::cost(thing);
            ui.warn(&format!(
                "{name} carries the tags of this instance and is in no state{made_as}; it stays, and {cost}"
            ));
        }
        if let Some(path) = &arguments.html {
            let drawing = Drawing::of_plan(&offer.plan, &specs.blueprint.resources);
            write_page(ui, path, &offer.plan, &specs.types, &drawing)?;
        }
        if let Some(newer) = &offer.newer {
            say_newer(ui, &offer.gathered.state, newer);
        }
        ui.data(render::plan(&offer.plan, &specs.types, &ui.render_options()).trim_end())?;
        if !offer.plan.refusals.is_empty() {
            return Ok(Exit::Refused);
        }
        if offer.plan.is_empty() {
            ui.say(&format!("There is nothing left of {name}."));
            return Ok(Exit::Done);
        }
        say_lost(ui, &losses(&offer.plan, &specs.types));
        confirm_name(&arguments.confirm, &name)?;
        if arguments.confirm.is_empty() {
            let (gone, place) = (deletes(&offer.plan), options.cloud.place());
            let question = format!("\n{gone} Type the name of the instance to destroy it on {place}:");
            let sure = ui
                .confirm(&question, &name)
                .map_err(|error| error.hint(format!("add --confirm {name} to go without asking")))?;
            let again = if sure { operation.again(&offer, &reader).await? } else { None };
            let Some(again) = again else {
                ui.say("Nothing was changed.");
                return Ok(Exit::Failure);
            };
            offer = again;
        }
        let plan = offer.plan.clone();
        let audience = Terminal { ui, json: false };
        let credits = Credits { who: person(&paths), plan: None };
        let ran = carry_out(operation, offer, &provider, &audience, Duration::ZERO, credits).await?;
        let exit = tell(ui, &ran, &paths, &specs.types);
        if exit == Exit::Done {
            say_what_stays(ui, &plan, &specs.types);
        }
        Ok(exit)
    })
}

/// Names what the deletions leave in AWS, which costs money and is the only way back.
fn say_what_stays(ui: &Ui, plan: &Plan, types: &Types) {
    let stays = plan.deletions().flat_map(|deletion| {
        let found = types.get(&deletion.address.type_name);
        found.map(|found| found.stays(deletion.decided, deletion.identity.as_str())).unwrap_or_default()
    });
    // What a job has made goes with nobody.
    let done = plan.changes.iter().filter(|change| change.action == Action::Forget).filter_map(|change| {
        let identity = change.identity.as_ref().filter(|identity| !was_not_run(identity))?;
        let leaves = types.get(&change.address.type_name).filter(|found| found.once)?.leaves.as_ref()?;
        (!change.causes.contains(&Cause::Drift)).then(|| leaves.replace("{}", identity.as_str()))
    });
    let lines: Vec<String> = stays.chain(done).map(|phrase| format!("  - {phrase}")).collect();
    if !lines.is_empty() {
        ui.say(&format!("What stays in AWS (TIME: when its deletion began, in UTC):\n{}", lines.join("\n")));
    }
    let asked = plan.changes.iter().filter_map(|change| {
        let resource_type = types.get(&change.address.type_name)?;
        // Records that a person has entered for a deleted resource stay, too.
        let is_entered = resource_type.request.is_some() && matches!(change.action, Action::Delete);
        if !resource_type.is_asked_for() && !is_entered {
            return None;
        }
        let name = change.identity.as_ref()?.as_str().replace('|', " ");
        Some(resource_type.leaves.as_deref().unwrap_or("{}").replace("{}", &name))
    });
    let asked: Vec<String> = asked.map(|phrase| format!("  - {phrase}")).collect();
    if !asked.is_empty() {
        ui.say(&format!("Yours to remove:\n{}", asked.join("\n")));
    }
}

/// Tells if there is the journal of a command that went on from a state.
fn begun_from_a_state(paths: &Paths) -> Result<bool, CommandError> {
    let entries = Journal::read(&paths.journal())?.entries;
    Ok(matches!(entries.first().map(|entry| &entry.record), Some(Record::Begin { base: Some(_), .. })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::proposal::tests::Bench;
    use crate::cli::ui::captured::ui;
    use crate::ops::plan_destroy;

    /// What a destroy would say that stays.
    async fn stays(bench: &Bench) -> String {
        let proposal = bench.propose().await;
        let specs = &proposal.project.specs;
        let plan = plan_destroy(specs, Some(&proposal.project), &proposal.gathered, "social");
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        let (ui, _, err) = ui(false, "");
        say_what_stays(&ui, &plan, &specs.types);
        err.take()
    }

    #[tokio::test]
    async fn a_snapshot_of_an_upgrade_is_said_to_stay() {
        let bench = Bench::new();
        bench.apply().await;
        assert!(!stays(&bench).await.contains("before-upgrade"), "none was taken");
        bench.edit("name   = ", "version = \"v4.7.9\"\nname   = ");
        bench.apply().await;
        let said = stays(&bench).await;
        assert!(said.contains("  - the snapshot social-before-upgrade-"), "{said}");
        assert!(said.contains("the snapshot social-database-final-TIME, with all data"), "{said}");
    }
}
