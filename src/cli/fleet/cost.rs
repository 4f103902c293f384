//! `mastoform cost` over a fleet: what each instance costs, and all of them together.

use serde_json::{Value as Json, json};

use super::{Fleet, document, worst};
use crate::cli::cost::{estimated, to_json};
use crate::cli::{CommandError, CostArguments, Exit};
use crate::render::cost::amounts_json;
use crate::render::estimate;

pub fn run(fleet: &Fleet<'_>, arguments: &CostArguments) -> Result<Exit, CommandError> {
    let (members, unreadable) = fleet.members()?;
    let (mut rows, mut documents, mut exits) = (Vec::new(), Vec::new(), Vec::new());
    let mut total = crate::cost::Amounts::default();
    let failed = |name: String, error: &CommandError| -> ((String, _), Json) {
        fleet.complain(&name, error);
        let told = json!({ "instance": name, "error": error.to_string() });
        ((name, None), told)
    };
    for problem in &unreadable {
        let (row, told) = failed(problem.path.display().to_string(), &problem.error);
        rows.push(row);
        documents.push(told);
        exits.push(problem.error.exit());
    }
    for member in &members {
        fleet.warn(member);
        let priced = estimated(&member.project, &member.project.config.region)
            .and_then(|estimate| to_json(&member.project, &estimate).map(|json| (estimate, json)));
        match priced {
            Ok((bill, json)) => {
                let file = member.options.file.display().to_string();
                total = total + bill.total();
                rows.push((member.name().to_owned(), Some(estimate::Sum::of(&bill))));
                documents.push(json!({ "instance": member.name(), "file": file, "cost": json }));
                exits.push(Exit::Done);
            }
            Err(error) => {
                let (row, told) = failed(member.name().to_owned(), &error);
                rows.push(row);
                documents.push(told);
                exits.push(error.exit());
            }
        }
    }
    if arguments.json {
        let mut all = document(documents);
        all["total"] = amounts_json(total);
        fleet.ui.json(&all)?;
    } else {
        fleet.ui.data(&estimate::fleet(&rows, fleet.ui.width()))?;
    }
    Ok(worst(exits))
}
