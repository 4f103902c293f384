//! Which cloud a command works on: AWS, or the simulated one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Ui;
use super::error::CommandError;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::file;
use crate::ops::{Cloud, Nature, Settings};
use crate::provider::sim::{self, Options, Sim};
use crate::provider::{Provider, Reader, read_only};
use crate::spec::types::ResourceType;
use crate::spec::{Specs, Types};
use crate::state::{Paths, State};

/// How much faster than AWS the sandbox is unless told otherwise: a first apply takes about ten seconds.
pub const SANDBOX_SPEED: f64 = 120.0;

/// How long AWS takes to answer a call from somewhere else in the world; the sandbox is faster at that too.
const ANSWER: Duration = Duration::from_millis(240);

/// Steps in flight at once.
pub const AT_ONCE: usize = 16;

/// A runtime for the commands that talk to a cloud.
pub fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// The cloud of the options.
pub async fn connect(
    ui: &Ui,
    options: &Settings,
    nature: &Nature,
    paths: &Paths,
    region: &str,
) -> Result<Arc<dyn Provider>, CommandError> {
    if let Cloud::Sandbox(sandbox) = options.cloud {
        paths.make_folder()?;
        let speed = sandbox.speed.unwrap_or(SANDBOX_SPEED);
        let life = Options {
            speed,
            latency: Duration::try_from_secs_f64(ANSWER.as_secs_f64() / speed).unwrap_or_default(),
            clock: Arc::new(since_epoch),
            trace: ui.calls().clone(),
            laws: nature.laws.clone(),
            prints: nature.prints.clone(),
            person: sandbox.person.unwrap_or_default(),
            ..Options::default()
        };
        let path = place(paths.folder())?;
        let hint = format!("without the folder {} the sandbox begins anew", paths.folder().display());
        let sim = Sim::open(Arc::clone(&nature.types), Some(path), life)
            .map_err(|error| CommandError::from(error).hint(hint))?;
        return Ok(Arc::new(sim));
    }
    aws(ui, &nature.types, region).await
}

/// The file of the simulated cloud. No instance is called so: names begin with a letter or a digit.
const FILE: &str = "_cloud.json";

/// The earlier name of the file. An instance may have it, too: then the file is its state.
pub(super) const EARLIER: &str = "cloud.json";

/// The file of the simulated cloud of a folder. A file with the earlier name is renamed.
fn place(folder: &Path) -> Result<PathBuf, CommandError> {
    let (path, earlier) = (folder.join(FILE), folder.join(EARLIER));
    if file::is_there(&path)? || !file::is_there(&earlier)? || matches!(State::read(&earlier), Ok(Some(_))) {
        return Ok(path);
    }
    if !sim::is_kept_in(&earlier) {
        // The error comes when it is opened.
        return Ok(earlier);
    }
    match file::rename(&earlier, &path) {
        // Another command was faster.
        Err(_) if file::is_there(&path)? => Ok(path),
        renamed => Ok(renamed.map(|()| path)?),
    }
}

/// The same for whoever only wants to look.
pub async fn connect_to_read(
    ui: &Ui,
    options: &Settings,
    nature: &Nature,
    paths: &Paths,
    region: &str,
) -> Result<Arc<dyn Reader>, CommandError> {
    Ok(read_only(&connect(ui, options, nature, paths, region).await?))
}

#[expect(clippy::disallowed_methods, reason = "this is the edge: the simulated cloud lives by the wall clock")]
fn since_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Resources of types that the cloud of the options cannot make: overlays may declare any type, and the simulated cloud
/// makes whatever a type describes.
pub fn unsupported(options: &Settings, specs: &Specs) -> Diagnostics {
    let mut problems = Diagnostics::default();
    if options.cloud.is_simulated() {
        return problems;
    }
    let mut told = BTreeSet::new();
    for resource in specs.blueprint.resources.values() {
        let Some(resource_type) = specs.types.get(&resource.type_name) else { continue };
        if !aws_supports(resource_type) && told.insert(&resource.type_name) {
            let message = format!("AWS cannot be asked for `{}`: mastoform has no handler for it", resource.type_name);
            let hint = "if CloudFormation knows it, say under which name with `cfn` of the type; \
                        the sandbox makes every type that is described";
            let problem = Diagnostic::error("unsupported-type", message);
            problems.push(problem.at(&resource.location, "this resource is of it").hint(hint));
        }
    }
    problems
}

#[cfg(feature = "aws")]
fn aws_supports(resource_type: &ResourceType) -> bool {
    crate::provider::aws::supports(resource_type)
}

/// A build that cannot talk to AWS says what one that can would say: the program's own types have handlers.
#[cfg(not(feature = "aws"))]
fn aws_supports(resource_type: &ResourceType) -> bool {
    !resource_type.is_added || resource_type.is_generic()
}

#[cfg(feature = "aws")]
async fn aws(ui: &Ui, types: &Arc<Types>, region: &str) -> Result<Arc<dyn Provider>, CommandError> {
    use crate::provider::aws::Aws;
    use crate::provider::endpoint::is_private;

    let aws = Aws::connect(None, region.to_owned(), ui.calls().clone()).await.with_types(types);
    for endpoint in aws.endpoint_overrides() {
        if !is_private(&endpoint) {
            return Err(CommandError::failure(format!("calls would go to {endpoint} without encryption, secrets too"))
                .hint("AWS_ENDPOINT_URL and its like take https, and plain http only to this machine"));
        }
        ui.warn(&format!("calls go to {endpoint} instead of AWS"));
    }
    Ok(Arc::new(aws))
}

#[cfg(not(feature = "aws"))]
async fn aws(_: &Ui, _: &Arc<Types>, _: &str) -> Result<Arc<dyn Provider>, CommandError> {
    Err(CommandError::failure("this build cannot talk to AWS")
        .hint("try it on the simulated cloud with --sandbox, or build it with the feature `aws`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_cloud_gets_a_name_that_no_instance_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let (now, earlier) = (folder.join(FILE), folder.join(EARLIER));
        let place = || place(folder).unwrap_or_else(|error| panic!("{error}"));
        assert!(!crate::alphabet::is_instance("_cloud"));
        assert_eq!(place(), now, "an empty folder");
        let state = State::new("lineage", "cloud", "eu-central-1");
        state.write(&earlier).expect("written");
        assert_eq!(place(), now, "a state");
        assert_eq!(State::read(&earlier).expect("a state"), Some(state));
        fs_err::write(&earlier, "{\"seed\": ").expect("written");
        assert_eq!(place(), earlier, "a damaged cloud is not passed over");
        let cloud = include_str!("../../tests/engine/living/cloud.json");
        fs_err::write(&earlier, cloud).expect("written");
        assert_eq!(place(), now);
        assert_eq!(fs_err::read_to_string(&now).expect("there"), cloud);
        assert!(!earlier.exists());
        // A file with the new name stays, whatever else is there.
        fs_err::write(&earlier, "{}").expect("written");
        assert_eq!(place(), now);
    }
}
