//! From a file of types to [`Types`]: what may be written, and what is wrong with what is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Attribute, Awaits, Compare, Impact, Loss, Manner, Milestone, Order, Proof, RESERVED, Request, ResourceType,
    Security, Shape, Types, Upheaval,
};
use crate::address::TypeName;
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::document::{Content, Entry, Node};
use crate::spec::counterpart::{self, Tool};
use crate::spec::limits::Limits;
use crate::spec::permissions::{self, Permissions};
use crate::spec::pricing;
use crate::spec::reader::Reader;
use crate::spec::ready::Ready;
use crate::value::Value;

/// Reads one file of types. `service` is the file's stem.
pub fn read(service: &str, document: &Node, types: &mut Types, diagnostics: &mut Diagnostics) {
    for entry in document.entries() {
        let name = TypeName::new(service, entry.key.as_str());
        let resource_type = resource_type(name.clone(), entry, diagnostics);
        if let Some(earlier) = types.insert(name.clone(), Arc::new(resource_type)) {
            diagnostics.push(
                Diagnostic::error("duplicate-type", format!("type `{name}` is declared twice"))
                    .at(&entry.key_location, "again here")
                    .at(&earlier.location, "first here"),
            );
        }
    }
}

fn proof(reader: &mut Reader<'_>, is_proven_by_tags: bool) -> Proof {
    reader.used.push("proof");
    let node = reader.table.get("proof");
    let given = |key: &str| node.and_then(|node| node.get(key)).and_then(Node::text).map(str::to_owned);
    match (is_proven_by_tags, given("name"), given("parent")) {
        (true, None, None) if node.is_none() => Proof::Tags,
        (false, Some(attribute), None) => Proof::Name { attribute },
        (false, None, Some(attribute)) => Proof::Parent { attribute },
        (false, None, None) if given("nothing").is_some() => Proof::Nothing,
        (true, ..) => {
            reader.wrong("proof", "absent: the tags of this type prove whose it is");
            Proof::Tags
        }
        (false, ..) => {
            reader.wrong("proof", "`{ name = ... }`, `{ parent = ... }` or `{ nothing = ... }`: this type has no tags to prove whose it is");
            Proof::Tags
        }
    }
}

fn resource_type(name: TypeName, entry: &Entry, diagnostics: &mut Diagnostics) -> ResourceType {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "type", used: vec!["attributes"] };
    let doc = reader.text("doc").unwrap_or_default();
    if doc.is_empty() {
        reader
            .diagnostics
            .push(Diagnostic::error("missing-doc", format!("type `{name}` has no doc")).at(&entry.key_location, ""));
    }
    let cfn = counterpart::read_counterpart(&mut reader, Tool::CloudFormation);
    let terraform = counterpart::read_counterpart(&mut reader, Tool::Terraform);
    let identity = reader.texts("identity");
    let unique = reader.texts("unique");
    let lookup_only = reader.flag("lookup_only", false);
    let (once, leaves) = (reader.flag("once", false), reader.text("leaves"));
    let taggable = reader.flag("taggable", true);
    let proof = proof(&mut reader, taggable || lookup_only);
    let data_bearing = reader.flag("data_bearing", false);
    let impact = upheaval(&mut reader);
    let notice = notices(&mut reader);
    let expect = reader.durations("expect", Duration::from_secs(2));
    let timeout = reader.durations("timeout", Duration::from_secs(20 * 60));
    let replace = match reader.text("replace").as_deref() {
        Some("create_first") => Order::CreateFirst,
        Some("delete_first") | None => Order::DeleteFirst,
        Some(_) => {
            reader.wrong("replace", "`create_first` or `delete_first`");
            Order::DeleteFirst
        }
    };
    reader.used.push("ready");
    let ready = entry.node.get("ready").map(|node| Ready::read(node, &mut *reader.diagnostics));
    let awaits = awaits(&mut reader);
    reader.used.push("permissions");
    let permissions = match entry.node.get("permissions") {
        Some(node) => permissions::read(node, &mut *reader.diagnostics),
        None => Permissions::default(),
    };
    // Services that are asked in one place know one of each name.
    let global = reader.flag("global", permissions.region.is_some());
    let request = request(&mut reader);
    let pricing = pricing::read(&mut reader);
    reader.refuse_others();
    let mut attributes = BTreeMap::new();
    for attribute_entry in entry.node.get("attributes").map(Node::entries).unwrap_or_default() {
        if RESERVED.contains(&attribute_entry.key.as_str()) {
            diagnostics.push(
                Diagnostic::error("reserved-attribute", format!("`{}` is a word of the engine", attribute_entry.key))
                    .at(&attribute_entry.key_location, "no attribute may have this name"),
            );
        }
        attributes.insert(
            attribute_entry.key.clone(),
            attribute(&attribute_entry.node, &attribute_entry.key_location, Milestone::Ready, diagnostics),
        );
    }
    let known_attribute = |wanted: &String| attributes.contains_key(wanted);
    let missing = identity
        .iter()
        .chain(&unique)
        .chain(ready.as_ref().map(|ready| &ready.attribute))
        .chain(impact.delete.by.first())
        .find(|wanted| !known_attribute(wanted));
    if let Some(missing) = missing {
        diagnostics.push(
            Diagnostic::error("unknown-attribute", format!("type `{name}` has no attribute `{missing}`"))
                .at(&entry.key_location, "its identity, readiness or impact names it"),
        );
    }
    for (attribute, described) in &attributes {
        if described.is_decided_below() {
            let message = format!("`{attribute}` of `{name}` cannot decide a deletion with a part of it");
            let at = &described.location;
            diagnostics.push(
                Diagnostic::error("wrong-type", message).at(at, "only whole attributes are handed to a deletion"),
            );
        }
    }
    ResourceType {
        name,
        doc,
        cfn,
        terraform,
        identity,
        unique,
        global,
        lookup_only,
        once,
        leaves,
        taggable,
        proof,
        data_bearing,
        impact,
        notice,
        expect,
        timeout,
        ready,
        awaits,
        replace,
        permissions,
        request,
        pricing,
        attributes,
        is_added: false,
        location: entry.key_location.clone(),
    }
}

/// `awaits = { types = ["dns.record"], attribute = "name", value = "validation_name" }`.
fn awaits(reader: &mut Reader<'_>) -> Option<Awaits> {
    reader.used.push("awaits");
    let node = reader.table.get("awaits")?;
    let mut inner = Reader { diagnostics: &mut *reader.diagnostics, table: node, what: "`awaits`", used: Vec::new() };
    let types = inner.texts("types").into_iter().map(|text| {
        let (service, kind) = text.split_once('.')?;
        Some(TypeName::new(service, kind))
    });
    let types: Option<Vec<TypeName>> = types.collect();
    let (attribute, value) = (inner.text("attribute"), inner.text("value"));
    inner.refuse_others();
    match (types.filter(|types| !types.is_empty()), attribute, value) {
        (Some(types), Some(attribute), Some(value)) => {
            Some(Awaits { types, attribute, value: value.split('.').map(str::to_owned).collect() })
        }
        _ => {
            reader.wrong("awaits", "a table of `types`, `attribute` and `value`");
            None
        }
    }
}

/// `[type.request]`.
fn request(reader: &mut Reader<'_>) -> Option<Request> {
    reader.used.push("request");
    let node = reader.table.get("request")?;
    let mut inner = Reader { diagnostics: &mut *reader.diagnostics, table: node, what: "`request`", used: Vec::new() };
    let (name, title, line) = (inner.text("name"), inner.text("title"), inner.text("line"));
    let columns = inner.texts("columns");
    inner.used.extend(["cells", "lines"]);
    let lines = node.get("lines").map(lines).unwrap_or_default();
    let cells = node.get("cells").map(texts_of).unwrap_or_default();
    inner.refuse_others();
    match (name, title, line) {
        (Some(name), Some(title), Some(line)) if !columns.is_empty() => {
            Some(Request { name, title, columns, cells, line, lines })
        }
        _ => {
            reader.wrong("request", "a table of `name`, `title`, `columns` and `line`");
            None
        }
    }
}

/// `lines = { kind = { TXT = "..." } }`.
fn lines(node: &Node) -> BTreeMap<String, BTreeMap<String, String>> {
    node.entries().iter().map(|entry| (entry.key.clone(), texts_of(&entry.node))).collect()
}

/// The texts of a table.
fn texts_of(node: &Node) -> BTreeMap<String, String> {
    node.entries().iter().filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect()
}

/// What a message says an impact must be.
const IMPACTS: &str = "`none`, `rolling`, `brief`, `outage`, `lasting` or `data_loss`";

/// `impact = "brief"` of an attribute, or by the new value: `impact = { 0 = "lasting", "*" = "rolling" }`.
fn impacts(reader: &mut Reader<'_>) -> (Impact, BTreeMap<String, Impact>) {
    reader.used.push("impact");
    let Some(node) = reader.table.get("impact") else { return (Impact::None, BTreeMap::new()) };
    let named = |node: &Node| node.text().and_then(Impact::named);
    if let Some(impact) = named(node) {
        return (impact, BTreeMap::new());
    }
    let entries = node.entries().iter();
    let by_value: Option<BTreeMap<String, Impact>> =
        entries.map(|entry| Some((entry.key.clone(), named(&entry.node)?))).collect();
    match by_value.filter(|by_value| by_value.contains_key("*")) {
        Some(mut by_value) => (by_value.remove("*").unwrap_or_default(), by_value),
        None => {
            reader.wrong("impact", &format!("{IMPACTS}, or a table of these by value, with `*` for any other"));
            (Impact::None, BTreeMap::new())
        }
    }
}

/// `impact = { replace = "outage", delete = "outage" }` of a type.
fn upheaval(reader: &mut Reader<'_>) -> Upheaval {
    reader.used.push("impact");
    let mut result = Upheaval::default();
    let Some(node) = reader.table.get("impact") else { return result };
    let mut verbs = Reader { diagnostics: &mut *reader.diagnostics, table: node, what: "`impact`", used: Vec::new() };
    result.replace = verbs.text("replace").and_then(|name| {
        let impact = Impact::named(&name);
        if impact.is_none() {
            verbs.wrong("replace", IMPACTS);
        }
        impact
    });
    result.delete = loss(&mut verbs);
    verbs.refuse_others();
    result
}

/// `delete = "outage"`, or `delete = { by = "action.kind", forward = "outage", "*" = "none" }`.
fn loss(verbs: &mut Reader<'_>) -> Loss {
    verbs.used.push("delete");
    let Some(node) = verbs.table.get("delete") else { return Loss::default() };
    let named = |node: &Node| node.text().and_then(Impact::named);
    if let Some(otherwise) = named(node) {
        return Loss { otherwise, ..Loss::default() };
    }
    let by = node.get("by").and_then(Node::text).map(|path| path.split('.').map(str::to_owned).collect());
    let entries = node.entries().iter().filter(|entry| entry.key != "by");
    let by_value: Option<BTreeMap<String, Impact>> =
        entries.map(|entry| Some((entry.key.clone(), named(&entry.node)?))).collect();
    let table = by.zip(by_value).and_then(|(by, mut by_value)| {
        let otherwise = by_value.remove("*")?;
        Some(Loss { by, by_value, otherwise })
    });
    table.unwrap_or_else(|| {
        verbs.wrong("delete", &format!("{IMPACTS}, or a table of these by the value of the attribute `by`, with `*`"));
        Loss::default()
    })
}

/// `[cluster.notice]`: sentences by impact.
fn notices(reader: &mut Reader<'_>) -> BTreeMap<Impact, String> {
    reader.used.push("notice");
    let Some(node) = reader.table.get("notice") else { return BTreeMap::new() };
    let mut sentences =
        Reader { diagnostics: &mut *reader.diagnostics, table: node, what: "`notice`", used: Vec::new() };
    let found = Impact::ALL.into_iter().filter_map(|impact| Some((impact, sentences.text(impact.name())?))).collect();
    sentences.refuse_others();
    found
}

/// `security = true`, `security = "patch"` or `security = "whole"`.
fn security(reader: &mut Reader<'_>) -> Security {
    reader.used.push("security");
    match reader.table.get("security").map(|node| &node.content) {
        None | Some(Content::Bool(false)) => Security::No,
        Some(Content::Bool(true)) => Security::Changed,
        Some(Content::Text(text)) if text == "patch" => Security::Patched,
        Some(Content::Text(text)) if text == "whole" => Security::Whole,
        Some(_) => {
            reader.wrong("security", "true, \"patch\" or \"whole\"");
            Security::No
        }
    }
}

/// `decides_deletion = true`, or a table of phrases by value; `stays`, too, is such a table.
fn manner(reader: &mut Reader<'_>) -> Option<Manner> {
    reader.used.extend(["decides_deletion", "stays"]);
    let stays = phrases(reader, "stays");
    let how = match reader.table.get("decides_deletion").map(|node| &node.content) {
        None => {
            if !stays.is_empty() {
                reader.wrong("stays", "beside `decides_deletion`");
            }
            return None;
        }
        Some(Content::Bool(true)) => BTreeMap::new(),
        Some(_) => phrases(reader, "decides_deletion"),
    };
    Some(Manner { how, stays })
}

fn phrases(reader: &mut Reader<'_>, key: &'static str) -> BTreeMap<String, String> {
    let Some(node) = reader.table.get(key) else { return BTreeMap::new() };
    let found: Option<BTreeMap<String, String>> =
        node.entries().iter().map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect();
    let found = found.unwrap_or_default();
    if found.is_empty() {
        reader.wrong(key, "a table of phrases by value");
    }
    found
}

/// What is wrong with an attribute that decides deletions. Where nothing is known of a resource but its type, the
/// default decides.
fn undecided(manner: &Manner, node: &Node, attribute: &Attribute) -> Option<&'static str> {
    let has_default = node.get("default").is_some();
    let is_said = |value: &str| manner.how.contains_key(value) || manner.how.contains_key("*");
    if attribute.computed || attribute.sensitive {
        return Some("of an attribute that we set and that is no secret");
    }
    if !manner.how.is_empty() && !has_default {
        return Some("of an attribute with a default, the value that loses least");
    }
    let is_flag = node.get("type").and_then(Node::text) == Some("bool");
    if is_flag && !(is_said("true") && is_said("false")) {
        return Some("a table with a phrase for true and one for false");
    }
    None
}

/// The name of a type under `key`.
fn type_named(key: &'static str, reader: &mut Reader<'_>) -> Option<TypeName> {
    let text = reader.text(key)?;
    let parts = text.split_once('.').map(|(service, kind)| TypeName::new(service, kind));
    if parts.is_none() {
        reader.wrong(key, "the name of a type");
    }
    parts
}

fn attribute(node: &Node, location: &Location, known: Milestone, diagnostics: &mut Diagnostics) -> Attribute {
    let is_definition = node.get("type").and_then(Node::text).is_some();
    if !is_definition {
        return Attribute {
            shape: Shape::Object(
                node.entries()
                    .iter()
                    .map(|entry| (entry.key.clone(), attribute(&entry.node, &entry.key_location, known, diagnostics)))
                    .collect(),
            ),
            ..Attribute::plain(Shape::Json, location)
        };
    }
    let mut reader = Reader { diagnostics, table: node, what: "attribute", used: vec!["of"] };
    let mut result = Attribute::plain(Shape::Json, location);
    let type_name = reader.text("type").unwrap_or_default();
    result.doc = reader.text("doc").unwrap_or_default();
    result.required = reader.flag("required", false);
    result.immutable = reader.flag("immutable", false);
    result.computed = reader.flag("computed", false);
    result.sensitive = reader.flag("sensitive", false);
    result.write_only = reader.flag("write_only", false);
    result.unordered = reader.flag("unordered", false);
    result.default_from_aws = reader.flag("default_from_aws", false);
    result.volatile = reader.flag("volatile", false);
    result.security = security(&mut reader);
    result.security_entries = reader.texts("security_entries");
    result.deletion = manner(&mut reader);
    result.changed_by_aws = reader.flag("changed_by_aws", false);
    result.watched = reader.flag("watched", false);
    result.keyed_by = reader.text("keyed_by");
    result.format = reader.text("format");
    result.known = match reader.text("known").as_deref() {
        Some("created") => Milestone::Created,
        Some("ready") => Milestone::Ready,
        None => known,
        Some(_) => {
            reader.wrong("known", "`created` or `ready`");
            Milestone::Ready
        }
    };
    result.compare = match reader.text("compare").as_deref() {
        Some("version_prefix") => Some(Compare::VersionPrefix),
        Some("policy") => Some(Compare::Policy),
        Some("case_insensitive") => Some(Compare::CaseInsensitive),
        None => None,
        Some(_) => {
            reader.wrong("compare", "`version_prefix`, `policy` or `case_insensitive`");
            None
        }
    };
    (result.impact, result.impact_by_value) = impacts(&mut reader);
    if result.changed_by_aws && result.compare != Some(Compare::VersionPrefix) {
        reader.wrong(
            "changed_by_aws",
            "of a version, which AWS raises and never lowers: with `compare = \"version_prefix\"`",
        );
    }
    reader.used.extend(["default", "values"]);
    if let Some(complaint) = result.deletion.as_ref().and_then(|manner| undecided(manner, node, &result)) {
        reader.wrong("decides_deletion", complaint);
    }
    result.default = node.get("default").map(Node::value);
    if result.watched && result.default.is_none() {
        reader.wrong("watched", "false, or the attribute needs a `default` to be compared with");
    }
    result.values = match node.get("values").map(Node::value) {
        Some(Value::List(values)) => values,
        _ => Vec::new(),
    };
    result.cfn = counterpart::read_place(&mut reader, Tool::CloudFormation);
    result.terraform = counterpart::read_place(&mut reader, Tool::Terraform);
    result.left_out = reader.text("left_out");
    let limits = Limits::read(&mut reader);
    result.limits = limits;
    result.refers_to = type_named("refers_to", &mut reader);
    result.part_of = type_named("part_of", &mut reader);
    result.outside = reader.flag("outside", false);
    reader.refuse_others();
    let element = |diagnostics: &mut Diagnostics| match node.get("of") {
        Some(Node { content: Content::Text(scalar), location: of_location }) => {
            Attribute::plain(scalar_shape(scalar, of_location, diagnostics), of_location)
        }
        Some(of) => attribute(of, &of.location, result.known, diagnostics),
        None => {
            diagnostics
                .push(Diagnostic::error("missing-key", format!("a {type_name} needs `of`")).at(&node.location, ""));
            Attribute::plain(Shape::Json, &node.location)
        }
    };
    result.shape = match type_name.as_str() {
        "list" => Shape::List(Box::new(element(diagnostics))),
        "map" => Shape::Map(Box::new(element(diagnostics))),
        "object" => match element(diagnostics).shape {
            shape @ Shape::Object(_) => shape,
            _ => Shape::Json,
        },
        scalar => scalar_shape(scalar, node.get("type").map_or(location, |node| &node.location), diagnostics),
    };
    result
}

fn scalar_shape(name: &str, location: &Location, diagnostics: &mut Diagnostics) -> Shape {
    match name {
        "string" => Shape::Text,
        "integer" => Shape::Integer,
        "number" => Shape::Number,
        "bool" => Shape::Bool,
        "json" => Shape::Json,
        other => {
            diagnostics.push(
                Diagnostic::error("unknown-type", format!("`{other}` is not a type of attribute"))
                    .at(location, "")
                    .suggest(other, ["string", "integer", "number", "bool", "list", "map", "json", "object"]),
            );
            Shape::Json
        }
    }
}
