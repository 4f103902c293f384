//! What handlers of AWS send and read back, read off their sources.
//!
//! For each handler: what its `create` names, with everything that it calls; the same for `update`, and for reading. Every
//! attribute that `specs/types` lets be set must be named by each of them that has to do with it. A table of
//! `provider/aws/flat.rs` counts as the functions it makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mastoform::address::TypeName;
use mastoform::spec::Specs;
use mastoform::spec::types::{Attribute, ResourceType, Shape};
use regex::Regex;

/// What an attribute may be missing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Create,
    Update,
    Read,
}

/// What a handler does not do with an attribute, and why.
const EXCEPTIONS: [(&str, &str, Verb, &str); 15] = [
    ("acm.certificate", "covers", Verb::Create, "it is a question of a lookup"),
    ("ec2.security_group", "unlisted_rules", Verb::Create, "a new group has rules of nobody, and AWS's own goes"),
    ("elasticache.cluster", "apply_immediately", Verb::Create, "it says when a change is made"),
    ("elasticache.replication_group", "apply_immediately", Verb::Create, "it says when a change is made"),
    ("rds.cluster", "apply_immediately", Verb::Create, "it says when a change is made"),
    ("rds.instance", "apply_immediately", Verb::Create, "it says when a change is made"),
    ("ecs.run", "log_group", Verb::Create, "it says where what the task prints is read"),
    ("ecs.run", "log_prefix", Verb::Create, "it says where what the task prints is read"),
    ("ecs.run", "triggers", Verb::Create, "it says when a task runs again"),
    ("rds.cluster_snapshot", "triggers", Verb::Create, "it says when another snapshot is taken"),
    ("route53.record", "yields", Verb::Read, "it says how a record is made, and nothing of it"),
    ("route53.zone", "check", Verb::Create, "it says whether the zone is looked up"),
    ("route53.zone", "check", Verb::Update, "it says whether the zone is looked up"),
    ("route53.zone", "tagged", Verb::Create, "every zone gets its tags, in a call that a crash may come before"),
    ("ssm.parameter", "description", Verb::Read, "AWS tells it in another call, which needs one more permission"),
];

/// What a handler is called for by others; the rest of its file serves these.
const CALLED: [&str; 16] = [
    "lookup",
    "observe_all",
    "observe",
    "announced",
    "find",
    "refuses_second",
    "create",
    "update",
    "delete",
    "tag_source",
    "tags_by_arn",
    "tags_of_all",
    "tags",
    "mark",
    "printed",
    "open",
];

/// Functions and tables of a file, by name.
type Items = BTreeMap<String, String>;

struct Reader {
    function: Regex,
    table: Regex,
    row: Regex,
    word: Regex,
    qualified: Regex,
    literal: Regex,
    shown: Regex,
    setting: Regex,
}

impl Reader {
    fn new() -> Self {
        let pattern = |text: &str| Regex::new(text).expect("a pattern");
        Self {
            function: pattern(r"^( {4})?(?:pub(?:\([a-z]+\))? )?(?:async )?fn (\w+)"),
            table: pattern(r"^(?:pub(?:\([a-z]+\))? )?(?:const|static) (\w+): ([^=]+)"),
            row: pattern(r"(?s)\((\w+),\s*([\w-]+),\s*([\w*-]+),\s*([\w*=-]+),\s*(.*?)\),\n"),
            word: pattern(r"\w+"),
            qualified: pattern(r"(\w+)::(\w+)"),
            literal: pattern(r#""(\w+)""#),
            shown: pattern(r#"\.set(?:_if)?\(\s*(?:&\[)?"(\w+)""#),
            setting: pattern(r#"attribute: "(\w+)""#),
        }
    }

    /// The items of a file. The source is formatted, so an item ends with a brace that stands where it began.
    fn items(&self, text: &str) -> Items {
        let lines: Vec<&str> = text.lines().collect();
        let mut items = Items::new();
        let mut at = 0;
        while at < lines.len() {
            let line = lines[at];
            let until = |end: &dyn Fn(&str) -> bool| {
                let length = lines[at..].iter().position(|line| end(line)).expect("the end of an item");
                at + length
            };
            if let Some(found) = self.function.captures(line) {
                let brace = format!("{}}}", found.get(1).map_or("", |indent| indent.as_str()));
                let end = if line.ends_with('}') { at } else { until(&|line| line == brace) };
                let body = items.entry(found[2].to_owned()).or_default();
                body.push_str(&lines[at..=end].join("\n"));
                at = end;
            } else if let Some(found) = self.table.captures(line) {
                let end = until(&|line| line.ends_with(';'));
                // A bare list of names sends nothing.
                if !found[2].contains("str") {
                    items.insert(found[1].to_owned(), lines[at..=end].join("\n"));
                }
                at = end;
            } else if line == "flat! {" {
                let end = until(&|line| line == "}");
                self.rows(&lines[at + 1..end], &mut items);
                at = end;
            }
            at += 1;
        }
        items
    }

    /// A table of a flat type as the functions that it makes.
    fn rows(&self, lines: &[&str], items: &mut Items) {
        let rows: Vec<&str> = lines.iter().filter(|line| !line.trim_start().starts_with("//")).copied().collect();
        let text = rows.join("\n") + "\n";
        let mut number = 0;
        for row in self.row.captures_iter(&text) {
            let (name, kind, shown) = (&row[1], &row[2], &row[5]);
            let mut add = |function: &str, text: String| items.entry(function.to_owned()).or_default().push_str(&text);
            for (function, setter) in [("fill_creation", &row[3]), ("fill_update", &row[4])] {
                if !["-", "*"].contains(&setter) {
                    add(function, format!("\"{name}\" {kind}\n"));
                }
            }
            if shown != "-" {
                add("show", format!(".set(\"{name}\", {shown})\n"));
            }
            number += 1;
        }
        let begun = rows.iter().filter(|line| line.starts_with("    (")).count();
        assert_eq!(number, begun, "every row is understood");
    }

    /// What functions consist of, with all that they call: in their own file, in a file that is named, or in the service's.
    fn reached(&self, files: &BTreeMap<String, Items>, own: &str, roots: &[&str]) -> String {
        let mut waiting: Vec<(String, String)> =
            roots.iter().map(|root| (own.to_owned(), (*root).to_owned())).collect();
        let mut seen = BTreeSet::new();
        let mut text = String::new();
        while let Some((file, name)) = waiting.pop() {
            let Some(body) = files.get(&file).and_then(|items| items.get(&name)) else { continue };
            if !seen.insert((file.clone(), name)) {
                continue;
            }
            text.push_str(body);
            text.push('\n');
            for found in self.qualified.captures_iter(body) {
                waiting.push((found[1].to_owned(), found[2].to_owned()));
            }
            for word in self.word.find_iter(body).map(|word| word.as_str()) {
                if CALLED.contains(&word) {
                    continue;
                }
                let is_there = |file: &&str| files.get(*file).is_some_and(|items| items.contains_key(word));
                let place = [file.as_str(), "mod"].into_iter().find(is_there);
                // What a file takes from its neighbours, it names at its top.
                let place = place.or_else(|| {
                    let mut others = files.keys().map(String::as_str);
                    others.find(|other| !files[*other].contains_key("type_name") && is_there(other))
                });
                waiting.extend(place.map(|place| (place.to_owned(), word.to_owned())));
            }
        }
        text
    }

    /// The names that are read as attributes to be sent.
    fn sent(&self, text: &str) -> BTreeSet<String> {
        let sent = self.shown.replace_all(text, "");
        self.literal.captures_iter(&sent).map(|found| found[1].to_owned()).collect()
    }

    /// The names that are shown.
    fn shown(&self, text: &str) -> BTreeSet<String> {
        let all = self.shown.captures_iter(text).chain(self.setting.captures_iter(text));
        all.map(|found| found[1].to_owned()).collect()
    }
}

/// What is asked of an attribute, whose own marks and those of what it is a part of hold.
#[derive(Clone, Copy, Default)]
struct Marks {
    immutable: bool,
    hidden: bool,
}

/// Every attribute that can be set, with the parts of tables and of elements: its path, what must name it.
fn settable(resource_type: &ResourceType) -> Vec<(Vec<String>, BTreeSet<Verb>)> {
    fn visit(
        attributes: &BTreeMap<String, Attribute>,
        path: &[String],
        marks: Marks,
        is_once: bool,
        found: &mut Vec<(Vec<String>, BTreeSet<Verb>)>,
    ) {
        for (name, attribute) in attributes.iter().filter(|(_, found)| !found.computed && found.deletion.is_none()) {
            let path: Vec<String> = path.iter().chain([name]).cloned().collect();
            let marks = Marks {
                immutable: marks.immutable || attribute.immutable,
                hidden: marks.hidden || attribute.write_only || attribute.sensitive,
            };
            let mut verbs = BTreeSet::from([Verb::Create]);
            if !marks.immutable && !is_once {
                verbs.insert(Verb::Update);
            }
            // What is done is not kept, and so not compared.
            if !marks.hidden && !is_once {
                verbs.insert(Verb::Read);
            }
            let mut shape = &attribute.shape;
            while let Shape::List(inner) | Shape::Map(inner) = shape {
                shape = &inner.shape;
            }
            found.push((path.clone(), verbs));
            if let Shape::Object(parts) = shape {
                visit(parts, &path, marks, is_once, found);
            }
        }
    }
    let mut found = Vec::new();
    visit(&resource_type.attributes, &[], Marks::default(), resource_type.once, &mut found);
    found
}

/// The files of a service, without their tests, by name.
fn files(reader: &Reader, service: &str) -> BTreeMap<String, Items> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/aws").join(service);
    let files = crate::support::case::files(&folder).into_iter();
    let read = files.map(|(name, bytes)| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = name.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, reader.items(text.split("#[cfg(test)]").next().unwrap_or_default()))
    });
    read.collect()
}

/// The attributes that a handler does not name where it should.
fn missing(reader: &Reader, files: &BTreeMap<String, Items>, resource_type: &ResourceType) -> Vec<(String, Verb)> {
    let own = &*resource_type.name.kind;
    let create = reader.sent(&reader.reached(files, own, &["create"]));
    let update = reader.sent(&reader.reached(files, own, &["update"]));
    let read = reader.shown(&reader.reached(files, own, &["observe", "observe_all"]));
    let mut missing = Vec::new();
    for (path, verbs) in settable(resource_type) {
        let name = path.last().expect("a name");
        for verb in verbs {
            let named = match verb {
                Verb::Create => &create,
                Verb::Update => &update,
                Verb::Read => &read,
            };
            if !named.contains(name) {
                missing.push((path.join("."), verb));
            }
        }
    }
    missing
}

/// The types that handlers make: not those that are looked up, and not those that are asked of people.
fn made(specs: &Specs) -> impl Iterator<Item = &ResourceType> {
    let all = specs.types.values().map(|found| &**found);
    all.filter(|found| !found.lookup_only && !found.is_asked_for())
}

#[test]
fn whatever_can_be_set_is_sent_and_read_back_by_its_handler() {
    let specs = Specs::read(&[]).expect("valid specs");
    let reader = Reader::new();
    let mut found = BTreeSet::new();
    let mut looked = 0;
    for resource_type in made(&specs) {
        let files = files(&reader, &resource_type.name.service);
        looked += 1;
        for (attribute, verb) in missing(&reader, &files, resource_type) {
            found.insert((resource_type.name.to_string(), attribute, verb));
        }
    }
    assert!(looked > 30, "{looked}");
    let known =
        EXCEPTIONS.iter().map(|(name, attribute, verb, _)| ((*name).to_owned(), (*attribute).to_owned(), *verb));
    assert_eq!(found, known.collect(), "each is sent, changed and read back, or says why not");
}

/// The search itself: an attribute that is taken out of one of the three is missed there, in a table and without one.
#[test]
fn a_handler_that_forgets_an_attribute_is_found() {
    let specs = Specs::read(&[]).expect("valid specs");
    let reader = Reader::new();
    let forgotten = |name: &str, from: &str, to: &str| {
        let (service, kind) = name.split_once('.').expect("a type");
        let resource_type = &specs.types[&TypeName::new(service, kind)];
        let mut files = files(&reader, service);
        let path = format!("{}/src/provider/aws/{service}/{kind}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = fs_err::read_to_string(path).expect("a handler");
        assert!(text.contains(from), "{from}");
        let text = text.replace(from, to);
        files.insert(kind.to_owned(), reader.items(text.split("#[cfg(test)]").next().unwrap_or_default()));
        let is_known = |(attribute, verb): &(String, Verb)| {
            EXCEPTIONS.iter().any(|known| (known.0, known.1, known.2) == (name, attribute.as_str(), *verb))
        };
        let found = missing(&reader, &files, resource_type);
        found.into_iter().filter(|found| !is_known(found)).collect::<Vec<_>>()
    };
    let row = "(promotion_tier, integer, set_promotion_tier, =, instance.promotion_tier())";
    for (other, verb) in [
        ("(promotion_tier, integer, -, set_promotion_tier, instance.promotion_tier())", Verb::Create),
        ("(promotion_tier, integer, set_promotion_tier, -, instance.promotion_tier())", Verb::Update),
        ("(promotion_tier, integer, set_promotion_tier, =, -)", Verb::Read),
    ] {
        assert_eq!(forgotten("rds.instance", row, other), [("promotion_tier".to_owned(), verb)]);
    }
    let sent = r#".set_platform_version(wanted.owned_text("platform_version")?)"#;
    assert_eq!(forgotten("ecs.service", sent, ""), [("platform_version".to_owned(), Verb::Create)]);
    let shown = r#".set("kms_key_id", group.kms_key_id())"#;
    assert_eq!(forgotten("logs.log_group", shown, ""), [("kms_key_id".to_owned(), Verb::Read)]);
}
