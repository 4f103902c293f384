//! Whether rules of prices make sense: every type says what it costs, and every name in a rule exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::Blueprint;
use super::prices::Table;
use super::pricing::{Charge, Item, Parsed, Rule, USAGE};
use super::types::{ResourceType, Types};
use crate::address::TypeName;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile};
use crate::expr::{Part, Reference, Root, Template};

/// A type that says nothing about its price is refused. This reads no rule.
pub fn silent(types: &Types, problems: &mut Diagnostics) {
    for resource_type in types.values().filter(|resource_type| resource_type.pricing.is_none()) {
        problems.push(
            Diagnostic::error("missing-price", format!("type `{}` does not say what it costs", resource_type.name))
                .at(&resource_type.location, "")
                .hint("write `price.items`, or `price.free` or `price.unknown` with the reason"),
        );
    }
}

/// Whether some rule reads a setting, judging by its text.
pub fn is_read(types: &Types, blueprint: &Blueprint, input: &[String]) -> bool {
    let [table, name] = input else { return false };
    let word = format!("usage.{name}");
    let reads = |item: &Item| {
        item.rules().iter().any(|(rule, _)| {
            rule.text.match_indices(&word).any(|(at, _)| {
                let after = rule.text[at + word.len()..].chars().next();
                after.is_none_or(|letter| !letter.is_ascii_alphanumeric() && letter != '_')
            })
        })
    };
    let of_types = types.values().filter_map(|found| found.pricing.as_ref()).flat_map(|pricing| pricing.items());
    table == USAGE && of_types.chain(&blueprint.expenses).any(reads)
}

/// Everything that is wrong with the rules in these files. `None`: with all rules.
pub fn rules(types: &Types, blueprint: &Blueprint, table: &Table, files: Option<&[Arc<SourceFile>]>) -> Diagnostics {
    let nothing = BTreeMap::new();
    let mut linter = Linter { types, blueprint, table, problems: Diagnostics::default() };
    let is_asked =
        |item: &&Item| files.is_none_or(|files| files.iter().any(|file| Arc::ptr_eq(file, &item.location.file)));
    for resource_type in types.values() {
        let Some(pricing) = &resource_type.pricing else { continue };
        let needs = match pricing {
            super::pricing::Pricing::Items { needs, .. } => needs,
            _ => &nothing,
        };
        for item in pricing.items().filter(is_asked) {
            linter.item(item, Some((resource_type, needs)));
        }
    }
    for item in blueprint.expenses.iter().filter(is_asked) {
        linter.item(item, None);
    }
    linter.problems
}

/// The type whose rules are read, and what else it reads. `None`: rules of the blueprint.
type Owner<'a> = Option<(&'a ResourceType, &'a BTreeMap<String, TypeName>)>;

struct Linter<'a> {
    types: &'a Types,
    blueprint: &'a Blueprint,
    table: &'a Table,
    problems: Diagnostics,
}

impl Linter<'_> {
    fn item(&mut self, item: &Item, owner: Owner<'_>) {
        let wrong = |message: String, known: &[&str], word: &str| {
            Diagnostic::error("price-rule", message).at(&item.location, "").suggest(word, known.iter().copied())
        };
        let groups: Vec<&str> = self.table.groups.iter().map(|(name, _)| name.as_str()).collect();
        if !groups.contains(&item.group.as_str()) {
            self.problems.push(wrong(
                format!("there is no group `{}` of line items", item.group),
                &groups,
                &item.group,
            ));
        }
        if item.stays && owner.is_some() {
            self.problems.push(
                wrong("`stays` is a word of expenses".to_owned(), &[], "")
                    .hint("a type says under `left` what its deletion leaves behind"),
            );
        }
        if let Charge::Priced(priced) = &item.charge
            && let Some(free) = priced.free.as_ref().filter(|free| !self.table.free.contains_key(*free))
        {
            let known: Vec<&str> = self.table.free.keys().map(String::as_str).collect();
            self.problems.push(wrong(format!("there is no free allowance `{free}`"), &known, free));
        }
        let mut seen: Vec<&str> = Vec::new();
        for (rule, is_price) in item.rules() {
            // One rule for all three is checked once.
            if seen.contains(&rule.text.as_str()) {
                continue;
            }
            seen.push(&rule.text);
            self.rule(rule, is_price, owner);
        }
    }

    fn rule(&mut self, rule: &Rule, is_price: bool, owner: Owner<'_>) {
        let parsed = match rule.parsed() {
            Ok(parsed) => parsed,
            Err(problem) => return self.problems.push(problem),
        };
        if let Parsed::Template(template) = &*parsed {
            for reference in template.references() {
                let problem = self.complaint(reference, owner);
                self.problems.extend(
                    problem.map(|message| Diagnostic::error("unknown-reference", message).at(&reference.location, "")),
                );
            }
        }
        if is_price && !self.has_price(&parsed) {
            let known: Vec<&str> = self.table.prices().map(|price| price.name.as_str()).collect();
            let message = format!("no price is called `{}`", rule.text);
            let problem = Diagnostic::error("price-rule", message).at(&rule.location, "");
            self.problems.push(problem.suggest(&rule.text, known.iter().copied()));
        }
    }

    fn complaint(&self, reference: &Reference, owner: Owner<'_>) -> Option<String> {
        let path = reference.path.join(".");
        let of_type = |resource_type: &ResourceType, path: &[String]| {
            let found = resource_type.attribute(path).is_some_and(|attribute| !attribute.sensitive);
            (!found).then(|| format!("`{}` has no attribute `{}` to price", resource_type.name, path.join(".")))
        };
        match (&reference.root, owner) {
            (Root::Given("resource"), Some((resource_type, _))) => of_type(resource_type, &reference.path),
            (Root::Given("needs"), Some((_, needs))) => {
                let (alias, rest) = reference.path.split_first()?;
                match needs.get(alias).map(|type_name| (type_name, self.types.get(type_name))) {
                    Some((_, Some(needed))) => of_type(needed, rest),
                    Some((type_name, None)) => Some(format!("there is no resource type `{type_name}`")),
                    None => Some(format!("`needs` does not say what `{alias}` is")),
                }
            }
            (Root::Given("usage"), _) => {
                let is_there = self.blueprint.inputs.iter().any(|input| {
                    input.path.split_first().is_some_and(|(table, rest)| table == USAGE && rest == reference.path)
                });
                (!is_there).then(|| format!("there is no input `{USAGE}.{path}`"))
            }
            (Root::Config, None) => {
                let is_there = self.blueprint.inputs.iter().any(|input| reference.path.starts_with(&input.path));
                (!is_there).then(|| format!("there is no input `{path}`"))
            }
            _ => Some(format!("`{reference}` cannot be read here")),
        }
    }

    /// Whether a key can be that of some price: whatever an expression in it may come to.
    fn has_price(&self, parsed: &Parsed) -> bool {
        match parsed {
            Parsed::Text(text) => self.table.price(text).is_some(),
            Parsed::Template(template) => pattern(template).is_some_and(|pattern| {
                self.table.prices().any(|price| pattern.is_match(&super::prices::key(&price.name)))
            }),
        }
    }
}

/// Bytes of the compiled form of a key.
const KEY_SIZE: usize = 1 << 18;

fn pattern(template: &Template) -> Option<Regex> {
    let parts = template.parts.iter().map(|part| match part {
        Part::Literal(text) => regex::escape(&super::prices::key(text)),
        Part::Expression(_) => ".+".to_owned(),
    });
    // One that is too large is that of no price.
    RegexBuilder::new(&format!("^{}$", parts.collect::<String>())).size_limit(KEY_SIZE).build().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{OverlayFile, Specs};

    /// What is wrong with an overlay that has this type, after its first lines.
    fn problems(price: &str) -> Vec<String> {
        let text = format!(
            "[thing]\ndoc = 'A thing.'\nidentity = ['name']\ncfn = false\nterraform = false\n{price}\n[thing.attributes]\n\
             name = {{ type = 'string', doc = 'Its name.' }}\nsize = {{ type = 'integer', doc = 'Its size.' }}\n"
        );
        let overlay = OverlayFile { name: "types/a.toml".into(), types_of: Some("a".into()), text };
        match Specs::read(&[overlay]) {
            Ok(specs) => specs.lint().0.iter().map(ToString::to_string).collect(),
            Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
        }
    }

    fn item(lines: &str) -> Vec<String> {
        problems(&format!(
            "[thing.price]\nneeds = {{ task = 'ecs.task_definition' }}\n[thing.price.items.x]\nlabel = 'x'\ndoc = 'd'\n{lines}"
        ))
    }

    #[test]
    fn a_type_says_what_it_costs() {
        let silent = problems("");
        assert_eq!(silent, ["types/a.toml:1:2: type `a.thing` does not say what it costs"]);
        assert_eq!(problems("price.free = 'It is air.'"), [""; 0]);
        assert_eq!(problems("price.unknown = 'Nobody has asked.'"), [""; 0]);
        let both = problems("price = { free = 'a', unknown = 'b' }");
        assert!(both[0].ends_with("a price has `items`, or is `free`, or is `unknown`"), "{both:?}");
    }

    #[test]
    fn rules_name_what_exists() {
        let fine =
            "group = 'rest'\nprice = 's3.put_1000'\nquantity = 'resource.size * usage.media_gb + needs.task.cpu'";
        assert_eq!(item(fine), [""; 0]);
        for (wrong, expected) in [
            (fine.replace("resource.size", "resource.sise"), "`a.thing` has no attribute `sise` to price"),
            (fine.replace("task.cpu", "task.cpus"), "`ecs.task_definition` has no attribute `cpus` to price"),
            (fine.replace("needs.task", "needs.tusk"), "`needs` does not say what `tusk` is"),
            (fine.replace("media_gb", "media_tb"), "there is no input `cost.media_tb`"),
            (fine.replace("resource.size", "config.name"), "`config.name` cannot be read here"),
            (fine.replace("put_1000", "putt_1000"), "no price is called `s3.putt_1000`"),
            (fine.replace("'s3.put_1000'", "'s4.${resource.name}'"), "no price is called `s4.${resource.name}`"),
            (fine.replace("'rest'", "'rust'"), "there is no group `rust` of line items"),
            (format!("{fine}\nfree = 'lunch'"), "there is no free allowance `lunch`"),
            (format!("{fine}\nstays = true"), "`stays` is a word of expenses"),
            (fine.replace("resource.size *", "resource.size **"), "this is not a CEL expression"),
            (fine.replace("price = ", "prize = "), "the item `x` of a price is not complete"),
            (
                "group = 'rest'\nprice = { low = 'a' }\nquantity = 1".to_owned(),
                "a table of `low`, `typical` and `high`",
            ),
        ] {
            let said = item(&wrong).join("\n");
            assert!(said.contains(expected), "{wrong}: {said}");
        }
    }

    #[test]
    fn the_rules_of_the_program_make_sense() {
        let specs = Specs::read(&[]).expect("sound");
        let table = specs.prices.table().expect("sound");
        let problems = super::rules(&specs.types, &specs.blueprint, table, None);
        assert!(problems.0.is_empty(), "{problems}");
    }

    #[test]
    fn words_of_rules_are_words_of_rules_alone() {
        let text = "[local]\nx = '${usage.media_gb}'\n".to_owned();
        let specs = Specs::read(&[OverlayFile { name: "more.toml".into(), types_of: None, text }]).expect("read");
        assert!(specs.lint().to_string().contains("`usage` is a word of rules of prices"));
    }
}
