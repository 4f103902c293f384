//! Explaining what stands for several things: a section of settings, a type, an output.

use super::Subject;
use crate::address::TypeName;
use crate::cli::CommandError;
use crate::cli::output;
use crate::plan::resolve::World;
use crate::render::explain::{Sheet, columns};
use crate::session;

/// The word before the name of an output.
const OUTPUT: &str = "output.";

/// The settings of a section of the file, each with what it is.
pub fn section(subject: &Subject<'_>, name: &str) -> Option<Sheet> {
    let inside = format!("{name}.");
    let inputs = subject.project.specs.blueprint.inputs.iter().filter(|input| input.name().starts_with(&inside));
    let settings: Vec<(String, String)> = inputs.map(|input| (input.name(), input.doc.clone())).collect();
    if settings.is_empty() {
        return None;
    }
    let mut sheet =
        Sheet::new(format!("[{name}]"), "A section of settings. `mastoform explain SETTING` says more of one.");
    sheet.lines("settings", columns(&settings));
    Some(sheet)
}

/// What a type is, and which resources of it there are.
pub fn resource_type(subject: &Subject<'_>, name: &str) -> Option<Sheet> {
    let (service, kind) = name.split_once('.')?;
    let type_name = TypeName::new(service, kind);
    let resource_type = subject.project.specs.types.get(&type_name)?;
    let mut sheet = Sheet::new(name, resource_type.doc.clone());
    let nodes = subject.graph.nodes.keys().filter(|address| address.type_name == type_name);
    sheet.lines("resources", nodes.map(ToString::to_string).collect());
    let attributes = resource_type.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.doc.clone()));
    sheet.lines("attributes", columns(&attributes.collect::<Vec<_>>()));
    Some(sheet)
}

/// What an output tells, and what it is now.
///
/// # Errors
///
/// The outputs cannot be evaluated.
pub fn output(subject: &Subject<'_>, world: &World<'_>, text: &str) -> Result<Option<Sheet>, CommandError> {
    let Some(name) = text.strip_prefix(OUTPUT) else { return Ok(None) };
    let outputs = session::outputs(world, subject.graph, subject.state)?;
    Ok(outputs.iter().find(|output| output.name == name).map(|found| {
        let mut sheet = Sheet::new(text, found.doc.clone());
        sheet.line("value", found.value.as_ref().map_or_else(|| output::UNKNOWN.to_owned(), output::text));
        sheet
    }))
}
