//! What would be done now, with everything it was made from; and whether that still holds a moment later.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{OpsError, Project};
use crate::diagnostic::Diagnostics;
use crate::plan::resolve::resolve;
use crate::plan::saved::Basis;
use crate::plan::stale::{self, FileNow, StalePlan};
use crate::plan::{Graph, Plan, Purpose};
use crate::provider::{Reader, Registration};
use crate::session::{self, Gathered, Remembered};
use crate::spec::{Specs, Types};
use crate::state::State;
use crate::value::Value;

/// The plan that makes the cloud as a file says, and all it was made from: one value, made once.
pub struct Proposal {
    pub project: Project,
    pub gathered: Gathered,
    /// The graph of the file and of what was gathered. The plan is shown and carried out with this one.
    pub graph: Graph,
    pub plan: Plan,
    pub basis: Basis,
    pub warnings: Diagnostics,
}

impl Proposal {
    /// Reads the state, asks the cloud in one wave, and plans. `adopts_own`: an instance that lives without a state is
    /// taken over instead of refused.
    ///
    /// # Errors
    ///
    /// Those of [`session::read_state_for_plan`], [`session::gather`] and [`Proposal::of`].
    pub async fn make(project: Project, reader: &Arc<dyn Reader>, adopts_own: bool) -> Result<Self, OpsError> {
        let read = session::read_state_for_plan(&project.paths, &project.config, "", adopts_own)?;
        Self::from(project, reader, read).await
    }

    /// The same from a state that was read already.
    ///
    /// # Errors
    ///
    /// As [`Proposal::make`].
    pub async fn from(project: Project, reader: &Arc<dyn Reader>, read: Remembered) -> Result<Self, OpsError> {
        let nothing = BTreeMap::new();
        let world = project.world(&nothing, &Value::Null);
        let gathered = session::gather(reader, &project.specs.types, Some(&world), read).await?;
        Self::of(project, gathered)
    }

    /// Plans from what was gathered.
    ///
    /// # Errors
    ///
    /// Everything that keeps a plan from being made.
    pub fn of(project: Project, gathered: Gathered) -> Result<Self, OpsError> {
        let world = project.world(&gathered.lookups, &gathered.state.settings);
        let graph = resolve(&world)?;
        let (plan, warnings) = session::plan(&world, &graph, &gathered)?;
        let observations = gathered.observations.as_ref();
        let desired = Some((&project.config, &graph));
        let basis = Basis::of(&project.specs, desired, &gathered.state, &gathered.lookups, observations);
        Ok(Self { project, gathered, graph, plan, basis, warnings })
    }

    /// The plan and its basis, for comparing.
    pub fn parts(&self) -> stale::Proposal<'_> {
        stale::Proposal { plan: &self.plan, basis: &self.basis }
    }

    /// Refuses if what was planned earlier, from a file with the text `text_then`, is not what would be planned now.
    ///
    /// # Errors
    ///
    /// Everything that has changed.
    pub fn must_confirm(&self, then: stale::Proposal<'_>, text_then: Option<&str>) -> Result<(), StalePlan> {
        let file = FileNow { config: &self.project.config, text_then };
        compare(then, self.parts(), &self.gathered.state, Some(file), &self.project.specs.types)
    }
}

/// Refuses a plan that does not hold any more.
fn compare(
    then: stale::Proposal<'_>,
    now: stale::Proposal<'_>,
    state: &State,
    file: Option<FileNow<'_>>,
    types: &Types,
) -> Result<(), StalePlan> {
    let found = stale::stale(then, now, state, file, types);
    if found.is_empty() { Ok(()) } else { Err(StalePlan(found)) }
}

/// A plan that may be carried out, of an apply or a destroy.
pub struct Offer {
    /// The specs that the plan was made by.
    pub specs: Arc<Specs>,
    /// The file; `None` where an instance is taken down without one that can be read.
    pub project: Option<Project>,
    pub gathered: Gathered,
    /// The graph that the plan makes; `None` where everything is taken down.
    pub graph: Option<Graph>,
    pub plan: Plan,
    pub basis: Basis,
    pub warnings: Diagnostics,
    /// The note about a newer state that was applied elsewhere.
    pub newer: Option<Registration>,
}

impl Offer {
    /// The plan that makes the cloud as the file says.
    pub(super) async fn apply(project: Project, reader: &Arc<dyn Reader>, adopts_own: bool) -> Result<Self, OpsError> {
        let proposal = Proposal::make(project, reader, adopts_own).await?;
        let Proposal { project, gathered, graph, plan, basis, warnings } = proposal;
        let newer = newer(&**reader, &gathered, &plan).await;
        let specs = Arc::clone(&project.specs);
        let (project, graph) = (Some(project), Some(graph));
        Ok(Self { specs, project, gathered, graph, plan, basis, warnings, newer })
    }

    /// The plan that takes everything down that `recorded` remembers.
    pub(super) async fn destroy(
        specs: &Arc<Specs>,
        project: Option<Project>,
        read: Remembered,
        reader: &Arc<dyn Reader>,
    ) -> Result<Self, OpsError> {
        let title = read.state.instance.clone();
        let gathered = session::gather(reader, &specs.types, None, read).await?;
        let plan = plan_destroy(specs, project.as_ref(), &gathered, &title)?;
        let basis = Basis::of(specs, None, &gathered.state, &gathered.lookups, gathered.observations.as_ref());
        let newer = newer(&**reader, &gathered, &plan).await;
        let specs = Arc::clone(specs);
        let warnings = Diagnostics::default();
        Ok(Self { specs, project, gathered, graph: None, plan, basis, warnings, newer })
    }

    /// The plan and its basis, for comparing.
    pub fn parts(&self) -> stale::Proposal<'_> {
        stale::Proposal { plan: &self.plan, basis: &self.basis }
    }

    /// Refuses if what was planned earlier, from a file with the text `text_then`, is not what would be planned now.
    ///
    /// # Errors
    ///
    /// Everything that has changed.
    pub fn must_confirm(&self, then: stale::Proposal<'_>, text_then: Option<&str>) -> Result<(), StalePlan> {
        let project = self.project.as_ref().filter(|_| self.plan.purpose == Purpose::Apply);
        let file = project.map(|project| FileNow { config: &project.config, text_then });
        compare(then, self.parts(), &self.gathered.state, file, &self.specs.types)
    }
}

/// Plans with what the file says, if there is one.
///
/// # Errors
///
/// Everything that keeps a plan from being made.
pub fn plan_destroy(
    specs: &Specs,
    project: Option<&Project>,
    gathered: &Gathered,
    title: &str,
) -> Result<Plan, OpsError> {
    let world = project.map(|project| project.world(&gathered.lookups, &gathered.state.settings));
    Ok(session::plan_destroy(specs, gathered, title, world.as_ref())?)
}

/// The note about a newer state than this one that was applied, if there is one. Asked only where there is something to do.
///
/// A stale checkout looks as if somebody had changed things in AWS, and an apply would take a colleague's work back.
pub async fn newer(reader: &dyn Reader, gathered: &Gathered, plan: &Plan) -> Option<Registration> {
    let state: &State = &gathered.state;
    if plan.is_empty() || gathered.on_disk.is_none() {
        return None;
    }
    // A denied read of the note leaves things as they would be without it.
    let known = reader.registration(&state.region, &state.instance).await.ok().flatten()?;
    (known.lineage == state.lineage && known.serial > state.serial).then_some(known)
}
