//! What a plan says, before it is decided what it looks like: groups of changes, reasons, differences, totals.
//!
//! The plan as text, as Markdown and as a page all say what stands here, so that none of them says less or something
//! else.
//!
//! # Guarantees
//!
//! - Every change of a plan is in exactly one group.
//! - No secret is in any [`Entry`].
//! - It takes time in proportion to the plan.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::documents::{self, Content};
use super::duration::about;
use super::paths;
use super::style::{Role, role_of_impact};
use super::values::Piece;
use crate::address::{Address, TypeName};
use crate::inert::printable;
use crate::plan::change::{Counts, Deletion, Raised, Why, Widening};
use crate::plan::{Action, AttributeChange, Cause, Change, Plan, Purpose, Refusal};
use crate::spec::Types;
use crate::spec::types::{Impact, Order, ResourceType, Shape};
use crate::value::{Planned, Tree, Unknown, Value};

/// Creations up to which each is told by itself.
const MANY: usize = 100;
/// Beyond that, creations that are alike up to which each is told by itself.
const FEW: usize = 3;

/// Changes that a sentence on security names at most.
const SECURITY: usize = 8;

/// Sentences about what people notice that a summary has at most.
const NOTICES: usize = 3;

/// Which part of a plan a change stands in, in order: what needs a decision first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Gone,
    Updated,
    Created,
    Run,
    Waits,
    Recorded,
    Drifted,
}

impl Group {
    /// The group a change belongs to.
    pub fn of(change: &Change) -> Self {
        let is_drift = !change.causes.is_empty() && change.causes.iter().all(|cause| *cause == Cause::Drift);
        match change.action {
            _ if change.deletions().next().is_some() => Self::Gone,
            Action::Replace { .. } | Action::Delete => Self::Gone,
            Action::Create | Action::Update { .. } if is_drift => Self::Drifted,
            Action::Update { .. } => Self::Updated,
            Action::Create => Self::Created,
            Action::Run => Self::Run,
            Action::Adopt if matches!(change.causes.first(), Some(Cause::Waits { .. })) => Self::Waits,
            Action::Adopt | Action::Forget | Action::Skip => Self::Recorded,
        }
    }

    /// What stands above it where groups have headings.
    pub fn title(self, plan: &Plan) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Gone => "Replaced and deleted",
            Self::Updated => "Updated",
            Self::Created => "Created",
            Self::Run => "Run",
            Self::Waits => "Waiting for you",
            Self::Recorded => "Put right in the state",
            Self::Drifted => {
                let file = printable(&plan.file);
                return Cow::Owned(format!(
                    "Changed in AWS since the last apply, and set back. What should stay goes into {file}"
                ));
            }
        })
    }
}

/// What happens, in a word.
pub fn verb(action: &Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update { .. } => "update",
        Action::Replace { .. } => "replace",
        Action::Delete => "delete",
        Action::Adopt => "adopt",
        Action::Forget => "forget",
        Action::Run => "run",
        Action::Skip => "skip",
    }
}

/// One attribute that changes, or one leaf of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The element of a list that it is in, or several that change alike: `containers["web"]`. Empty if none.
    pub head: String,
    /// The rest of the way: `.image`, or the whole of it: `port`.
    pub path: String,
    pub content: Content,
    /// Who says so, and whether that forces a replacement. Empty if the change says it for all.
    pub cause: String,
}

/// Changes of which only their number is told.
#[derive(Clone, Debug)]
pub struct Fold<'a> {
    /// All of one type, or all of one kind; never none.
    pub changes: Vec<&'a Change>,
}

impl Fold<'_> {
    /// What their addresses have in common, without their number.
    pub fn title(&self) -> String {
        let Some((first, rest)) = self.changes.split_first() else { return String::new() };
        let Address { type_name, name, .. } = &first.address;
        if rest.iter().any(|change| change.address.type_name != *type_name) {
            return "resources".to_owned();
        }
        let is_one_name = rest.iter().all(|change| change.address.name == *name);
        if is_one_name { format!("{type_name}.{name}") } else { type_name.to_string() }
    }
}

/// A plan and what is looked up in it.
pub struct Outline<'a> {
    pub plan: &'a Plan,
    pub types: &'a Types,
    actions: BTreeMap<&'a Address, &'a Action>,
}

impl<'a> Outline<'a> {
    pub fn new(plan: &'a Plan, types: &'a Types) -> Self {
        let actions = plan.changes.iter().map(|change| (&change.address, &change.action)).collect();
        Self { plan, types, actions }
    }

    /// All changes by group.
    pub fn groups(&self) -> BTreeMap<Group, Vec<&'a Change>> {
        let mut groups: BTreeMap<Group, Vec<&Change>> = BTreeMap::new();
        for change in &self.plan.changes {
            groups.entry(Group::of(change)).or_default().push(change);
        }
        groups
    }

    /// What is told together instead of one by one: resources that only get the tags that say whose they are, and
    /// creations, when there are very many of them, where everything that would be told of each is the same and no
    /// interruption.
    pub fn folded(&self) -> Vec<Fold<'a>> {
        let marked: Vec<&Change> = self.plan.changes.iter().filter(|change| is_only_marked(change)).collect();
        let mut folds: Vec<Fold<'a>> = (marked.len() > FEW).then_some(Fold { changes: marked }).into_iter().collect();
        let created: Vec<&Change> =
            self.plan.changes.iter().filter(|change| Group::of(change) == Group::Created).collect();
        if created.len() <= MANY {
            return folds;
        }
        let mut alike: BTreeMap<(&TypeName, Vec<String>), Vec<&'a Change>> = BTreeMap::new();
        let plain = |change: &&Change| change.impact < Impact::Brief && self.notes(change, false).is_empty();
        for change in created.into_iter().filter(plain) {
            let details = self.details(change).into_iter().map(|detail| detail.text).collect();
            alike.entry((&change.address.type_name, details)).or_default().push(change);
        }
        folds.extend(alike.into_values().filter(|changes| changes.len() > FEW).map(|changes| Fold { changes }));
        folds
    }

    /// Whether the plan does anything to a resource.
    pub fn changes(&self, address: &Address) -> bool {
        self.actions.contains_key(address)
    }

    pub fn type_of(&self, change: &Change) -> Option<&'a ResourceType> {
        self.types.get(&change.address.type_name).map(Arc::as_ref)
    }

    /// What people who use the instance notice of a change.
    pub fn notice(&self, change: &Change) -> Option<&'a str> {
        self.type_of(change).and_then(|found| found.notice(change.impact))
    }

    /// What they notice of the whole plan: of what is worst in it.
    pub fn notices(&self) -> Vec<&'a str> {
        let worst = self.plan.impact();
        let mut notices: Vec<&str> = Vec::new();
        let holds_data = |change: &&Change| self.type_of(change).is_some_and(|found| found.data_bearing);
        let (first, second): (Vec<&Change>, Vec<&Change>) =
            self.plan.changes.iter().filter(|change| change.impact == worst).partition(holds_data);
        for change in first.into_iter().chain(second) {
            if let Some(notice) = self.notice(change)
                && !notices.contains(&notice)
                && notices.len() < NOTICES
            {
                notices.push(notice);
            }
        }
        notices
    }

    /// What stands beside the verb: why, how bad, how long.
    pub fn details(&self, change: &Change) -> Vec<Piece> {
        let mut details: Vec<Piece> = Vec::new();
        // The object that goes stands beside the word for it.
        let present = change.deletions().find(|deletion| deletion.why != Why::LeftOver);
        if let (Action::Delete, Some(deletion)) = (&change.action, &present) {
            details.push(Piece::plain(printable(deletion.identity.as_str())));
        }
        details.extend(self.reason(change).map(|reason| Piece::plain(printable(&reason))));
        let mut plain = |text: &str| details.push(Piece::plain(text));
        let old = present.map_or("the old one".into(), |deletion| printable(deletion.identity.as_str()));
        let (least, is_timed) = match &change.action {
            Action::Update { attributes } if attributes.is_empty() && change.marks => {
                plain("gets the tag that says whose it is");
                (Impact::Brief, false)
            }
            Action::Update { attributes } if attributes.is_empty() => {
                plain("only the state file changes");
                (Impact::Brief, false)
            }
            Action::Adopt if change.causes.contains(&Cause::Found) => {
                plain("found in AWS, and taken into the state");
                (Impact::Brief, false)
            }
            Action::Adopt => {
                plain(&match change.causes.first() {
                    Some(Cause::Waits { advice }) => format!("waits for you: {}", printable(advice)),
                    _ => "goes on with what an earlier run began".to_owned(),
                });
                (Impact::Brief, false)
            }
            Action::Forget if change.causes.contains(&Cause::Foreign) => {
                plain("is not this instance's, and is left alone");
                (Impact::Brief, false)
            }
            Action::Forget => {
                let is_gone = change.causes.contains(&Cause::Drift);
                plain(match (is_gone, &change.identity) {
                    (true, None) => "it was never made",
                    (true, Some(_)) => "it is gone from AWS",
                    (false, _) if self.type_of(change).is_some_and(ResourceType::is_asked_for) => {
                        "it is asked of you no more, and stays where you have entered it"
                    }
                    (false, _) => match self.type_of(change).is_some_and(|found| found.leaves.is_some()) {
                        true => "it has been done, and what it made stays in AWS",
                        false => "it has been done",
                    },
                });
                (Impact::Brief, false)
            }
            Action::Skip => {
                plain("counts as done");
                (Impact::Brief, false)
            }
            Action::Replace { order: Order::CreateFirst, .. } => {
                plain(&format!("new one first, then {old} goes"));
                (Impact::Rolling, change.expected_seconds >= 60)
            }
            Action::Replace { order: Order::DeleteFirst, .. } => {
                plain(&format!("{old} goes first"));
                (Impact::Rolling, change.expected_seconds >= 60)
            }
            // An update without a word on its impact would leave the question open.
            Action::Update { .. } => (Impact::None, true),
            Action::Run => (Impact::Rolling, true),
            Action::Create if self.type_of(change).is_some_and(ResourceType::is_asked_for) => {
                plain("you are asked for it");
                (Impact::Rolling, false)
            }
            Action::Create | Action::Delete => (Impact::Rolling, change.expected_seconds >= 60),
        };
        if let Some(deletion) = &present {
            details.extend(self.manner(deletion).into_iter().map(Piece::plain));
        }
        if change.impact >= least {
            let text = change.impact.words().to_owned();
            details.push(Piece { role: role_of_impact(change.impact), text });
        }
        if !change.security.is_empty() {
            let text = format!("security: {}", change.security.join(", "));
            details.push(Piece { role: Some(Role::Warning), text });
        }
        if is_timed {
            details.push(Piece::plain(about(change.expected_seconds)));
        }
        details
    }

    /// How an object is deleted: `with a final snapshot`.
    fn manner(&self, deletion: &Deletion<'_>) -> Vec<String> {
        let resource_type = self.types.get(&deletion.address.type_name).map(Arc::as_ref);
        let identity = deletion.identity.as_str();
        resource_type.map(|found| found.manner(deletion.decided, identity)).unwrap_or_default()
    }

    /// Why all of it happens, if there is one reason for all.
    fn reason(&self, change: &Change) -> Option<String> {
        let written = change.causes.iter().find_map(|cause| match cause {
            Cause::Written { location } => Some(location),
            _ => None,
        });
        match (&change.action, change.causes.first()) {
            (Action::Create, Some(Cause::Drift)) => Some("it was deleted in AWS".to_owned()),
            (Action::Create, Some(Cause::Interrupted)) => Some("an earlier run did not come to its end".to_owned()),
            (Action::Create, _) => written.cloned(),
            (Action::Run, _) if change.causes.contains(&Cause::Interrupted) => {
                Some("an earlier run of it did not come to a good end".to_owned())
            }
            (Action::Run, Some(Cause::Cascade { address })) => Some(self.because(address)),
            (Action::Run, _) => written.cloned(),
            (Action::Delete, Some(Cause::Orphan)) => {
                Some(format!("{} no longer wants it", written.unwrap_or(&self.plan.file)))
            }
            (Action::Update { .. }, Some(Cause::Reported { status })) => {
                Some(format!("AWS reports it as {status}; the same is asked for once more"))
            }
            (Action::Update { attributes }, Some(Cause::Interrupted)) if !attributes.is_empty() => {
                Some("the last change of it failed, and is asked for once more".to_owned())
            }
            (Action::Update { .. } | Action::Replace { .. }, _) => match common_cause(change)? {
                Cause::Cascade { address } => Some(self.because(address)),
                Cause::Written { location } => Some(location.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// `because elb.target_group.web is replaced`
    fn because(&self, address: &Address) -> String {
        let done = match self.actions.get(address) {
            Some(Action::Create) => "is created",
            Some(Action::Replace { .. }) => "is replaced",
            Some(Action::Delete | Action::Forget) => "is deleted",
            Some(Action::Run) => "is run",
            Some(Action::Update { .. } | Action::Adopt | Action::Skip) | None => "is updated",
        };
        format!("because {address} {done}")
    }

    /// What differs, leaf by leaf; of something new what it has. What forces a replacement comes first.
    pub fn entries(&self, change: &Change) -> Vec<Entry> {
        let resource_type = self.type_of(change);
        let mut attributes: Vec<&AttributeChange> = change.attributes.iter().collect();
        match change.action {
            Action::Delete | Action::Adopt | Action::Forget | Action::Skip => return Vec::new(),
            Action::Create | Action::Run => {}
            Action::Update { .. } | Action::Replace { .. } => {
                attributes.sort_by_key(|attribute| !attribute.forces_replacement);
            }
        }
        let common = common_cause(change);
        let mut entries: Vec<Entry> = Vec::new();
        for (attribute, names) in alike(&attributes, resource_type) {
            let (head, path) = paths::parted(&attribute.path, &names, resource_type);
            let mut cause = match &attribute.cause {
                Cause::New if matches!(change.action, Action::Create | Action::Run) => String::new(),
                _ if matches!(change.action, Action::Create) => String::new(),
                cause if common == Some(cause) => String::new(),
                cause => self.cause(cause),
            };
            let mut also = |words: &str| {
                cause.push_str(if cause.is_empty() { "" } else { ", " });
                cause.push_str(words);
            };
            if attribute.also_drifted {
                also("changed in AWS too");
            }
            if attribute.forces_replacement && !none_in_place(change) {
                also("cannot be changed in place");
            }
            for leaf in self.leaves(change, attribute, resource_type) {
                let path = format!("{path}{}", leaf.suffix);
                entries.push(Entry { head: head.clone(), path, content: leaf.content, cause: cause.clone() });
            }
        }
        // What is in one element stands together, where the first of it stands.
        let mut firsts: BTreeMap<String, usize> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.head.is_empty()) {
            firsts.entry(entry.head.clone()).or_insert(index);
        }
        let mut placed: Vec<(usize, Entry)> = entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| (firsts.get(&entry.head).copied().unwrap_or(index), entry))
            .collect();
        placed.sort_by_key(|(place, _)| *place);
        let mut entries: Vec<Entry> = placed.into_iter().map(|(_, entry)| entry).collect();
        if change.protect != change.was_protected && !matches!(change.action, Action::Create) {
            entries.push(protection(change, common));
        }
        entries
    }

    fn leaves(
        &self,
        change: &Change,
        attribute: &AttributeChange,
        resource_type: Option<&ResourceType>,
    ) -> Vec<documents::Leaf> {
        let whole = |content: Content| vec![documents::Leaf { suffix: String::new(), content }];
        let secret = Tree::Leaf(Unknown { template: String::new(), references: Vec::new(), sensitive: true });
        if attribute.sensitive || paths::is_sensitive(&attribute.path, resource_type) {
            let is_new = matches!(change.action, Action::Create);
            return whole(if is_new { Content::Given(secret) } else { Content::Secret });
        }
        let declared = resource_type.and_then(|found| found.attribute(&attribute.path));
        let shown = |value: &Planned| paths::redacted(value, declared, &secret);
        let before = attribute.before.as_ref().map(|before| shown(&before.lift()));
        let after = attribute.after.as_ref().map(shown);
        let is_first = change.action == Action::Run && attribute.before.is_none();
        if is_first || matches!(change.action, Action::Create) {
            return whole(Content::Given(after.unwrap_or_default()));
        }
        let leaves = documents::leaves(before.as_ref(), after.as_ref(), declared);
        // What is spelled differently and means the same is a change all the same, if the plan says so.
        if leaves.is_empty() { whole(Content::Values { before, after }) } else { leaves }
    }

    fn cause(&self, cause: &Cause) -> String {
        match cause {
            Cause::Cascade { address } => self.because(address),
            Cause::Written { location } => printable(location).into_owned(),
            Cause::Drift => "changed in AWS".to_owned(),
            Cause::New => "new".to_owned(),
            Cause::Orphan => "not wanted any more".to_owned(),
            Cause::Interrupted => "left by an interrupted run".to_owned(),
            Cause::Reported { status } => format!("AWS reports it as {}", printable(status)),
            Cause::Waits { advice } => format!("waits for you: {}", printable(advice)),
            Cause::Found => "found in AWS".to_owned(),
            Cause::Unmarked => "made before resources carried the lineage".to_owned(),
            Cause::Foreign => "not this instance's".to_owned(),
            Cause::Destroy => String::new(),
        }
    }

    /// What else is to be said of a change, below its differences. `shown` says whether any were shown.
    pub fn notes(&self, change: &Change, shown: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if let Action::Replace { because, .. } = &change.action {
            let paths: Vec<String> = change.attributes.iter().map(|attribute| attribute.path.join(".")).collect();
            let reasons = because.all().iter().filter(|reason| !paths.contains(reason));
            notes.extend(reasons.map(|reason| printable(reason).into_owned()));
        }
        if change.marks && matches!(&change.action, Action::Update { attributes } if !attributes.is_empty()) {
            notes.push("gets the tag that says whose it is, too".to_owned());
        }
        if let (true, Some(identity)) = (change.causes.contains(&Cause::Foreign), &change.identity) {
            notes.push(format!("{} is not this instance's", printable(identity.as_str())));
        }
        for deletion in change.deletions().filter(|deletion| deletion.why == Why::LeftOver) {
            let identity = printable(deletion.identity.as_str());
            let mut note = format!("deletes {identity} too, which an interrupted replacement left behind");
            for phrase in self.manner(&deletion) {
                note.push_str(", ");
                note.push_str(&phrase);
            }
            notes.push(note);
        }
        if none_in_place(change) {
            notes.push("none of this can be changed in place".to_owned());
        }
        let is_changed = matches!(change.action, Action::Update { .. } | Action::Replace { .. });
        if is_changed && change.unchanged_attributes > 0 && shown {
            let plural = if change.unchanged_attributes == 1 { "" } else { "s" };
            notes.push(format!("({} unchanged attribute{plural})", change.unchanged_attributes));
        }
        notes
    }

    /// What has the plan of this instance's name above it.
    pub fn header(&self) -> Vec<String> {
        let plan = self.plan;
        let state = match plan.made_from.serial {
            0 => "no state yet".to_owned(),
            serial => format!("state {serial}"),
        };
        let mut parts = vec![plan.instance.clone()];
        // A destroy does not read the file, and knows no other title than the name.
        if plan.title != plan.instance {
            parts.push(plan.title.clone());
        }
        parts.extend([plan.region.clone(), state]);
        parts.iter().map(|part| printable(part).into_owned()).collect()
    }
}

/// `1 to create, 2 to update, 1 to replace, 3 to delete (1 replaced, 1 left over); 50 unchanged`
pub fn counts(plan: &Plan) -> String {
    let counts = plan.counts();
    let mut text = counted(&counts);
    if counts.adopt > 0 {
        text.push_str(&format!(", {} to adopt", counts.adopt));
    }
    if counts.forget > 0 {
        text.push_str(&format!(", {} to forget", counts.forget));
    }
    if counts.skip > 0 {
        text.push_str(&format!(", {} done already", counts.skip));
    }
    if plan.purpose == Purpose::Apply {
        text.push_str(&format!("; {} unchanged", plan.unchanged));
    }
    text
}

/// `1 to create, 2 to update, 1 to replace, 1 to delete (1 replaced)`: every object that goes is counted among the deleted.
pub fn counted(counts: &Counts) -> String {
    let mut text = format!(
        "{} to create, {} to update, {} to replace, {} to delete",
        counts.create, counts.update, counts.replace, counts.delete
    );
    let parts = [(counts.replaced, "replaced"), (counts.left_over, "left over")];
    let said: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if !said.is_empty() {
        text.push_str(&format!(" ({})", said.join(", ")));
    }
    if counts.run > 0 {
        text.push_str(&format!(", {} to run", counts.run));
    }
    text
}

/// What of the plan widens rights, or may, in a sentence without a period; `None` if nothing does.
pub fn security(plan: &Plan) -> Option<String> {
    Some(match plan.security() {
        Widening::Nothing => return None,
        Widening::Everything => {
            "this is a first apply, so all roles, policies, network rules and images are new".to_owned()
        }
        Widening::Changes(changes) => {
            let (number, verb) = (changes.len(), if changes.len() == 1 { "change widens" } else { "changes widen" });
            let shown: Vec<String> = changes.iter().take(SECURITY).map(|change| change.address.to_string()).collect();
            let more = number.saturating_sub(SECURITY);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{number} {verb} rights, or may: {}{more}", shown.join(", "))
        }
    })
}

/// `About 6 min, worst: brief interruption`
pub fn time_and_impact(plan: &Plan) -> String {
    let mut text = capitalized(&about(plan.expected_seconds));
    let is_quiet =
        |change: &Change| matches!(change.action, Action::Create | Action::Forget | Action::Run | Action::Skip);
    let touches = plan.changes.iter().any(|change| !is_quiet(change));
    if touches || plan.deletions().next().is_some() {
        match plan.impact() {
            Impact::None => text.push_str(", no interruption"),
            impact => text.push_str(&format!(", worst: {}", impact.words())),
        }
    }
    text
}

/// What to do about a refusal, in a line.
pub fn remedy(refusal: &Refusal) -> String {
    match &refusal.otherwise {
        Some(otherwise) => format!("{}; or {otherwise}", refusal.hint),
        None => refusal.hint.clone(),
    }
}

/// What a plan says besides its changes, a sentence each: what the blueprint says of it, and what AWS has raised by itself.
pub fn remarks(plan: &Plan) -> Vec<String> {
    plan.notes.iter().map(|note| printable(note).into_owned()).chain(raised(plan)).collect()
}

fn raised(plan: &Plan) -> Vec<String> {
    let spelled = |value: &Value| value.as_text().map_or_else(|| value.to_string(), str::to_owned);
    let sentence = |raised: &Raised| {
        let (wanted, is) = (spelled(&raised.wanted), spelled(&raised.is));
        format!(
            "AWS raised {} of {} by itself, from {wanted} to {is}. It stays so.",
            raised.path.join("."),
            raised.address
        )
    };
    plan.raised.iter().map(sentence).collect()
}

/// What there is to say of a plan that does nothing.
pub fn nothing(plan: &Plan) -> String {
    match plan.purpose {
        Purpose::Destroy => format!("Nothing to destroy: {} has no resources.", plan.instance),
        Purpose::Apply => {
            let plural = if plan.unchanged == 1 { "" } else { "s" };
            format!(
                "Nothing to do: {} is as {} says; {} resource{plural} unchanged.",
                plan.instance,
                printable(&plan.file),
                plan.unchanged
            )
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// Whether there are several attributes and each of them forces the replacement.
fn none_in_place(change: &Change) -> bool {
    change.attributes.len() > 1 && change.attributes.iter().all(|attribute| attribute.forces_replacement)
}

/// Whether nothing else happens to a resource than that it gets the tags that say whose it is.
fn is_only_marked(change: &Change) -> bool {
    change.marks
        && change.protect == change.was_protected
        && matches!(&change.action, Action::Update { attributes } if attributes.is_empty())
}

/// The cause that all of a change has. A line of a file is said once only where it would be said several times.
fn common_cause(change: &Change) -> Option<&Cause> {
    let [cause] = change.causes.as_slice() else { return None };
    let protects = change.protect != change.was_protected;
    let is_single = change.attributes.len() + usize::from(protects) == 1;
    let is_said = match cause {
        Cause::Cascade { .. } => true,
        Cause::Written { .. } => !is_single,
        _ => false,
    };
    (is_said && change.attributes.iter().all(|attribute| attribute.cause == *cause)).then_some(cause)
}

/// The guard of the state file.
fn protection(change: &Change, common: Option<&Cause>) -> Entry {
    let value = |flag: bool| Some(Planned::Bool(flag));
    let cause = match change.causes.as_slice() {
        [Cause::Written { location }] if common.is_none() => printable(location).into_owned(),
        _ => String::new(),
    };
    Entry {
        head: String::new(),
        path: "lifecycle.protect".to_owned(),
        content: Content::Values { before: value(change.was_protected), after: value(change.protect) },
        cause,
    }
}

/// The attributes, with those that change alike in several elements of one list taken together; and the names of these
/// elements.
fn alike<'a>(
    attributes: &[&'a AttributeChange],
    resource_type: Option<&ResourceType>,
) -> Vec<(&'a AttributeChange, Vec<String>)> {
    let mut found: Vec<(&AttributeChange, Vec<String>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for attribute in attributes {
        let Some([list, name, rest @ ..]) = in_element(&attribute.path, resource_type) else {
            found.push((attribute, Vec::new()));
            continue;
        };
        let spelled = serde_json::to_string(&(
            list,
            rest,
            &attribute.before,
            &attribute.after,
            &attribute.cause,
            attribute.also_drifted,
            attribute.forces_replacement,
        ));
        let next = found.len();
        match places.entry(spelled.unwrap_or_else(|_| next.to_string())) {
            std::collections::btree_map::Entry::Occupied(place) => found[*place.get()].1.push(name.clone()),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(next);
                found.push((attribute, vec![name.clone()]));
            }
        }
    }
    found
}

/// The path, if it leads into an element of a list whose elements have names.
fn in_element<'a>(path: &'a [String], resource_type: Option<&ResourceType>) -> Option<&'a [String]> {
    let list = resource_type?.attributes.get(path.first()?)?;
    (path.len() > 2 && matches!(list.shape, Shape::List(_)) && list.keyed_by.is_some()).then_some(path)
}
