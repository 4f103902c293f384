//! Runs that go wrong, and whatever moment the program dies at on the way: refusals, creations and changes that fail
//! later, deletions by somebody else, and a state file that was not written for long.
//!
//! As in [`super::crash`], every moment of a story is kept as a world of its own. The cloud works again then, and one
//! apply, or two, leads to where an undisturbed run leads. Each world is tried a second time with the state file as it was when
//! the story began, as if no write of it had been due since: the journal alone has the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mastoform::address::Address;
use mastoform::apply::Outcome;
use mastoform::provider::ErrorKind;
use mastoform::provider::sim::{Fault, Operation, Rule, Subject};
use mastoform::state::Status;

use super::completed;
use super::crash::{DEBUG, Deed, Witness, World, put_back};
use crate::support::instance::{EXAMPLE, Instance, example};
use crate::support::say;

/// A story in which something goes wrong.
struct Mishap<'a> {
    name: &'a str,
    /// What was applied before, without any trouble.
    before: &'a [&'a str],
    /// Addresses that somebody else deletes then.
    removed: &'a [&'a str],
    deed: Deed,
    faults: Vec<Rule>,
}

fn rule(operation: Operation, address: &str, fault: Fault) -> Rule {
    Rule::new(operation, Subject::Address(address.parse().expect("an address")), fault)
}

fn refused(operation: Operation, address: &str) -> Rule {
    let refusal = Fault::Refuse { code: "InvalidParameterValue".to_owned(), kind: ErrorKind::Invalid };
    rule(operation, address, refusal).times(1000)
}

/// How far each resource is, and how many leftovers it has.
fn standing(instance: &Instance) -> BTreeMap<Address, (Status, usize)> {
    let rows = instance.state().map(|state| state.rows).unwrap_or_default();
    rows.into_iter().map(|(address, row)| (address, (row.status, row.replaced.len()))).collect()
}

impl Mishap<'_> {
    async fn begun(&self) -> Instance {
        let instance = Instance::on_virtual_time();
        for text in self.before {
            completed(instance.go(text, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
        }
        for address in self.removed {
            assert!(instance.sim.remove_behind_our_back(address), "{address} does not exist");
        }
        instance
    }

    /// Every world on the way of the story.
    async fn worlds(&self) -> Vec<World> {
        let instance = self.begun().await;
        self.faults.iter().for_each(|fault| instance.sim.add_fault(fault.clone()));
        let witness = Witness::new(&instance);
        let outcome = self.deed.happens(&instance, witness.clone(), Some(witness.watch())).await;
        match self.faults.is_empty() {
            true => completed(Some(outcome)),
            false => assert!(matches!(outcome, Outcome::Halted(_)), "{}: {outcome:#?}", self.name),
        }
        witness.worlds()
    }

    async fn is_survived(&self) {
        let undisturbed = self.begun().await;
        let state = Path::new("social.json").to_owned();
        let first = fs_err::read(undisturbed.paths().state()).ok();
        completed(Some(self.deed.happens(&undisturbed, undisturbed.sim.clone(), None).await));
        let worlds = self.worlds().await;
        let (points, mut tried) = (worlds.len(), 0);
        assert!(points > 5, "{points}");
        for (number, world) in worlds.into_iter().enumerate() {
            let label = format!("{}: moment {number} of {points}, {}", self.name, world.label);
            let mut versions = vec![(world.files.clone(), label.clone())];
            if world.files.keys().any(|file| file.extension().is_some_and(|end| end == "journal")) {
                let mut files = world.files;
                match &first {
                    Some(first) => drop(files.insert(state.clone(), first.clone())),
                    None => drop(files.remove(&state)),
                }
                versions.push((files, format!("{label}, with the first state file")));
            }
            for (files, label) in versions {
                self.recover(&label, &files, &world.sim.copy(), &undisturbed).await;
                tried += 1;
            }
        }
        say(&format!("crash points tried: {points}, in {tried} worlds ({})", self.name));
    }

    async fn recover(
        &self,
        label: &str,
        files: &BTreeMap<PathBuf, Vec<u8>>,
        sim: &mastoform::provider::sim::Sim,
        undisturbed: &Instance,
    ) {
        let after = Instance::with(sim.copy());
        put_back(files, after.folder.path());
        // A change that the cloud was still about to fail fails once more, and is asked for again.
        let mut outcome = self.deed.happens(&after, after.sim.clone(), None).await;
        if matches!(outcome, Outcome::Halted(_)) {
            outcome = self.deed.happens(&after, after.sim.clone(), None).await;
        }
        assert!(matches!(outcome, Outcome::Completed(_)), "{label}: {outcome:#?}");
        assert_eq!(self.deed.remains(&after).await, Vec::<String>::new(), "{label}");
        assert_eq!(after.sim.snapshot(true), undisturbed.sim.snapshot(true), "{label}");
        assert_eq!(standing(&after), standing(undisturbed), "{label}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_creation_is_survived_at_every_moment() {
    let faults = vec![refused(Operation::Create, "rds.cluster.database")];
    let deed = Deed::apply(EXAMPLE);
    Mishap { name: "a creation is refused", before: &[], removed: &[], deed, faults }.is_survived().await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_later_is_survived_at_every_moment() {
    let faults = vec![rule(Operation::Create, "rds.cluster.database", Fault::FailLater)];
    let deed = Deed::apply(EXAMPLE);
    Mishap { name: "a creation fails later", before: &[], removed: &[], deed, faults }.is_survived().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_is_survived_at_every_moment() {
    let faults = vec![refused(Operation::Update, "ecs.service.mastodon")];
    let deed = Deed::apply(&example(&[DEBUG]));
    Mishap { name: "a change is refused", before: &[EXAMPLE], removed: &[], deed, faults }.is_survived().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_later_is_survived_at_every_moment() {
    let faults = vec![rule(Operation::Update, "rds.cluster.database", Fault::FailLater)];
    let deed = Deed::apply(&example(&[("max_capacity = 1", "max_capacity = 4")]));
    Mishap { name: "a change fails later", before: &[EXAMPLE], removed: &[], deed, faults }.is_survived().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_deletion_is_survived_at_every_moment() {
    let deed = Deed::apply(&format!("{EXAMPLE}\n[web]\nport = 3001\n"));
    let faults = vec![refused(Operation::Delete, "elb.target_group.web")];
    Mishap { name: "a leftover stays", before: &[EXAMPLE], removed: &[], deed, faults }.is_survived().await;
    let faults = vec![refused(Operation::Delete, "elb.load_balancer.public")];
    Mishap { name: "a destroy stops", before: &[EXAMPLE], removed: &[], deed: Deed::destroy(), faults }
        .is_survived()
        .await;
}

/// Whatever is made again takes the place of nothing.
#[tokio::test(start_paused = true)]
async fn a_deletion_by_somebody_else_is_survived_at_every_moment() {
    let removed = ["ecs.service.mastodon", "secretsmanager.secret.vapid", "ec2.security_group.tasks"];
    for address in removed {
        let deed = Deed::apply(EXAMPLE);
        let name = format!("somebody deletes {address}");
        Mishap { name: &name, before: &[EXAMPLE], removed: &[address], deed, faults: Vec::new() }.is_survived().await;
    }
}
