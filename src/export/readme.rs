//! The page beside the files of an export: what to do with them, and what is not in them.

use std::collections::BTreeSet;

use super::cloudformation::{self, Body, LONGEST_BODY, MOST_IMPORTED, SHORT};
use super::{Instance, Omission, terraform};
use crate::inert::markdown_code;
use crate::spec::counterpart::Tool;

/// The page for CloudFormation.
pub fn cloudformation(instance: &Instance<'_>, export: &cloudformation::Export, body: Body) -> String {
    let (name, region) = (&instance.state.instance, &instance.state.region);
    let count = export.imports.as_array().map_or(0, Vec::len);
    let given = match body {
        Body::Template => "--template-body file://template.json".to_owned(),
        Body::Short => format!("--template-body file://{SHORT}"),
        Body::Bucket => "--template-url https://BUCKET.s3.amazonaws.com/template.json".to_owned(),
    };
    let stack = format!("--region {region} --stack-name {name}");
    let mut steps = Steps::default();
    steps.before();
    if body == Body::Bucket {
        steps.add(
            &format!(
                "AWS takes a template of {LONGEST_BODY} bytes from a command line, and this one is longer. Put it into a bucket of \
                 yours, and write the name of the bucket for BUCKET here and below."
            ),
            &["aws s3 cp template.json s3://BUCKET/template.json"],
        );
    }
    if count > MOST_IMPORTED {
        steps.add(
            &format!(
                "One import takes {MOST_IMPORTED} resources. Do the next two steps several times, each time with a part of \
                 the list, and with a template that has these and those imported before."
            ),
            &[],
        );
    }
    steps.add(
        "Make a change set that imports, and look at it: it says `Import` for every resource, and nothing else.",
        &[
            &format!("aws cloudformation create-change-set {stack} --change-set-name import \\"),
            "  --change-set-type IMPORT --resources-to-import file://resources-to-import.json \\",
            &format!("  {given} --capabilities CAPABILITY_NAMED_IAM"),
            &format!("aws cloudformation wait change-set-create-complete {stack} --change-set-name import"),
            &format!("aws cloudformation describe-change-set {stack} --change-set-name import"),
        ],
    );
    steps.add(
        "Import. Nothing in AWS changes by it.",
        &[
            &format!("aws cloudformation execute-change-set {stack} --change-set-name import"),
            &format!("aws cloudformation wait stack-import-complete {stack}"),
        ],
    );
    steps.add(
        "An import compares no values. Let AWS compare them now, before the first update of the stack. The second command \
         should list nothing. What it lists would be changed by an update: write what AWS has into the template first. \
         Values that AWS never tells, such as passwords, are not compared.",
        &[
            &format!("aws cloudformation detect-stack-drift {stack}"),
            &format!("aws cloudformation describe-stack-resource-drifts {stack} \\"),
            "  --stack-resource-drift-status-filters MODIFIED DELETED",
        ],
    );
    steps.after();
    let mut text = head(instance, "CloudFormation", count);
    if body == Body::Short {
        text.push_str(&format!(
            "`{SHORT}` is `template.json` without spaces: AWS takes {LONGEST_BODY} bytes from a command line, not more.\n\n"
        ));
    }
    text.push_str(&steps.text);
    text.push_str(
        "## Going back\n\n\
         Every resource has `DeletionPolicy: Retain`: deleting the stack lets go of all of them and deletes none. Then\n\
         `mastoform state hand-over --take-back` goes on where it stopped.\n\n\
         ## What to know\n\n\
         - A resource can be in one stack only.\n\
         - Passwords are dynamic references: AWS reads them from where they are, when a stack is updated. Leave them so.\n\
         - The stack has no outputs, because an import refuses them. Add them with a later update.\n\
         - What mastoform looked up, such as the network and certificates, is written as AWS names it. It is not in the\n  \
         stack.\n",
    );
    text.push_str(&notes(instance, Tool::CloudFormation));
    text.push_str(&lost(&export.omissions));
    text
}

/// The page for Terraform.
pub fn terraform(instance: &Instance<'_>, export: &terraform::Export) -> String {
    let count = export.identifiers.len();
    let changes = export.untold.len();
    let mut steps = Steps::default();
    steps.before();
    steps.add("Fetch the provider. OpenTofu does the same with `tofu` for `terraform`.", &["terraform init"]);
    steps.add(
        &format!(
            "Look at the plan. It says `{count} to import, 0 to add, {changes} to change, 0 to destroy`, or changes less. The \
             changes are those below, which change nothing in AWS, and spellings. If it adds, destroys or replaces \
             anything, do not apply it: write what AWS has into `main.tf` first."
        ),
        &["terraform plan -out=import.tfplan"],
    );
    steps
        .add("Import. Keep the state that Terraform writes as you keep your data.", &["terraform apply import.tfplan"]);
    steps.add("The next plan finds nothing to do. Then `imports.tf` can go.", &["terraform plan", "rm imports.tf"]);
    steps.after();
    let mut text = head(instance, "Terraform", count);
    text.push_str(&steps.text);
    text.push_str(
        "## Going back\n\n\
         `terraform state rm` lets go of a resource and deletes nothing: of all of them, if you remove the state. Then\n\
         `mastoform state hand-over --take-back` goes on where it stopped.\n\n\
         ## What to know\n\n\
         - Terraform 1.6 or later, or OpenTofu 1.6 or later, with version 6 of the provider.\n\
         - Passwords are not in the configuration, so that they do not get into the state. Terraform leaves them alone.\n\
         - What mastoform looked up, such as the network and certificates, is written as AWS names it.\n\
         - The tags of mastoform stay. Take them away later, if you like.\n",
    );
    text.push_str(&notes(instance, Tool::Terraform));
    if changes > 0 {
        text.push_str(
            "## What the first plan changes\n\n\
             These arguments are about how Terraform works, and AWS does not keep them. Terraform writes them into its state.\n\n\
             | resource | arguments |\n| --- | --- |\n",
        );
        for (resource, arguments) in &export.untold {
            let arguments: Vec<String> = arguments.iter().map(|argument| format!("`{argument}`")).collect();
            text.push_str(&format!("| `{resource}` | {} |\n", arguments.join(", ")));
        }
        text.push('\n');
    }
    text.push_str(&lost(&export.omissions));
    text
}

/// What the pages begin with.
pub(super) fn head(instance: &Instance<'_>, tool: &str, count: usize) -> String {
    let state = instance.state;
    let source = if instance.is_observed {
        "Their values are those that the cloud reported when this was written."
    } else {
        "Their values are those of the state, for nobody asked AWS: export again without `--offline` before you import."
    };
    let account = state.account.as_deref().unwrap_or("unknown");
    format!(
        "# {} for {tool}\n\n\
         This is everything that mastoform runs as {} in {}, account {account}, as of serial {}:\n\
         {count} resources. No secret is in these files.\n\n\
         {source}\n\n",
        state.instance, state.instance, state.region, state.serial,
    )
}

/// Steps with numbers, each a sentence or two and commands.
#[derive(Default)]
pub(super) struct Steps {
    pub text: String,
    count: usize,
}

/// Columns of a line.
const WIDTH: usize = 110;

/// A paragraph in lines, the first with one beginning and the others with another.
fn wrapped(text: &str, first: &str, others: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    for word in text.split(' ') {
        if line.chars().count() + word.chars().count() >= WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = others.to_owned();
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push_str(line.trim_end());
    lines + "\n"
}

impl Steps {
    pub fn add(&mut self, sentence: &str, commands: &[&str]) {
        if self.count == 0 {
            self.text.push_str("## Steps\n\n");
        }
        self.count += 1;
        self.text.push_str(&wrapped(sentence, &format!("{}. ", self.count), "   "));
        self.text.push('\n');
        for command in commands {
            self.text.push_str(&format!("       {command}\n"));
        }
        if !commands.is_empty() {
            self.text.push('\n');
        }
    }

    /// What comes first, whatever the tool.
    pub fn before(&mut self) {
        self.add(
            "`mastoform drift` must find none, and `mastoform plan` nothing to do. Apply what they list, or take it back, and \
             export again.",
            &[],
        );
        self.add(
            "Mark the instance as handed over. From then on mastoform refuses to change it, so that two masters do not undo \
             one another's work. `plan`, `drift` and `export` go on.",
            &["mastoform state hand-over"],
        );
    }

    /// What comes last.
    pub fn after(&mut self) {
        self.add("Take away the permissions that mastoform had, once nobody runs it here any more.", &[]);
    }
}

/// What the types in an export have to say, each once, as points of a list, and the end of it.
fn notes(instance: &Instance<'_>, tool: Tool) -> String {
    let types = instance.items.values().map(|item| &item.resource_type.counterpart(tool).note);
    let notes: BTreeSet<&String> = types.flatten().collect();
    let lines = notes.into_iter().map(|note| wrapped(note, "- ", "  "));
    lines.collect::<String>() + "\n"
}

/// What is not in the files.
pub(super) fn lost(omissions: &[Omission]) -> String {
    let mut text = "## What is not in these files\n\n\
        What mastoform does and nobody does afterwards: it checks settings before they are applied, orders changes, runs\n\
        what an upgrade takes before and after it, waits until a change has arrived and tells what went wrong, makes\n\
        secrets, names what a deletion leaves behind, and tells what AWS changed by itself from what somebody did.\n"
        .to_owned();
    if !omissions.is_empty() {
        text.push_str("\n| what | why |\n| --- | --- |\n");
        for Omission { what, why } in omissions {
            text.push_str(&format!("| <code>{}</code> | {why} |\n", markdown_code(what)));
        }
    }
    text
}
