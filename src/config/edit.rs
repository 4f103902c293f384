//! Changing `mastodon.toml` without changing how it looks: comments, order and spacing stay.
//!
//! Pure: from a text and a wish to a text. Whether the new text means what was wished is the caller's question.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Key, Table};

use crate::address::Address;
use crate::value::{Tree, Value};

/// Why a file was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the file is not valid TOML")]
    Syntax,
    #[error("`{0}` is not a table there")]
    NotTable(String),
    #[error("TOML has no word for that value")]
    NoSuchValue,
}

/// The file with the setting at `path` set to `value`.
pub fn set_input(text: &str, path: &[String], value: &Value) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|_| EditError::Syntax)?;
    set(document.as_table_mut(), path, value)?;
    Ok(document.to_string())
}

/// The file with a patch that sets the attribute at `path` of a resource to `value`.
pub fn set_patch(text: &str, address: &Address, path: &[String], value: &Value) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|_| EditError::Syntax)?;
    let root = document.as_table_mut();
    if !root.contains_key("patch") {
        let mut patches = Table::new();
        patches.set_implicit(true);
        root.insert("patch", Item::Table(patches));
    }
    let name = address.to_string();
    let patches = root.get_mut("patch").and_then(Item::as_table_like_mut);
    let patches = patches.ok_or_else(|| EditError::NotTable("patch".to_owned()))?;
    if !patches.contains_key(&name) {
        patches.insert(&name, Item::Table(Table::new()));
    }
    let mut whole = vec!["patch".to_owned(), name];
    whole.extend(path.iter().cloned());
    set(root, &whole, value)?;
    Ok(document.to_string())
}

fn set(root: &mut Table, path: &[String], value: &Value) -> Result<(), EditError> {
    let Some((last, above)) = path.split_last() else { return Err(EditError::NotTable(String::new())) };
    let value = written(value)?;
    let mut table: &mut dyn toml_edit::TableLike = root;
    for (depth, key) in above.iter().enumerate() {
        let is_new = !table.contains_key(key);
        if is_new {
            // A section of its own at the top, dotted keys below it.
            let mut inner = Table::new();
            inner.set_dotted(depth > 0);
            table.insert(key, Item::Table(inner));
        }
        let inner = table.get_mut(key).and_then(Item::as_table_like_mut);
        table = inner.ok_or_else(|| EditError::NotTable(above[..=depth].join(".")))?;
    }
    match table.get_mut(last) {
        // What stands beside the old value, a comment above all, stays.
        Some(Item::Value(old)) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        Some(other) => *other = Item::Value(value),
        None => {
            table.entry_format(&Key::new(last.as_str())).or_insert(Item::Value(value));
        }
    }
    Ok(())
}

fn written(value: &Value) -> Result<toml_edit::Value, EditError> {
    Ok(match value {
        Tree::Null => return Err(EditError::NoSuchValue),
        Tree::Bool(flag) => (*flag).into(),
        Tree::Integer(number) => (*number).into(),
        // AWS has one kind of number; people write 4, not 4.0.
        Tree::Number(number) => value.as_integer().map_or_else(|| (*number).into(), Into::into),
        Tree::Text(text) => text.as_str().into(),
        Tree::List(items) => toml_edit::Value::Array(items.iter().map(written).collect::<Result<Array, _>>()?),
        Tree::Map(entries) => {
            let mut table = InlineTable::new();
            for (key, entry) in entries {
                table.insert(key, written(entry)?);
            }
            toml_edit::Value::InlineTable(table)
        }
        Tree::Leaf(never) => match *never {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# An instance.\nname = \"social\"   # for ever\nmail.credentials = 'arn'\n\n\
                        [database]\n# Grows by itself.\nmax_capacity = 1 # small\n";

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_setting_changes_and_everything_around_it_stays() {
        let text = set_input(FILE, &path("database.max_capacity"), &Value::Number(4.0)).expect("set");
        assert_eq!(text, FILE.replace("= 1 # small", "= 4 # small"));
        let text = set_input(FILE, &path("mail.credentials"), &"new".into()).expect("set");
        assert_eq!(text, FILE.replace("'arn'", "\"new\""));
    }

    #[test]
    fn a_new_setting_goes_where_it_belongs() {
        let text = set_input(FILE, &path("database.min_capacity"), &Value::Number(0.5)).expect("set");
        assert_eq!(text, format!("{FILE}min_capacity = 0.5\n"));
        let text = set_input(FILE, &path("logs.retention_days"), &Value::Integer(30)).expect("set");
        assert_eq!(text, format!("{FILE}\n[logs]\nretention_days = 30\n"));
    }

    #[test]
    fn a_patch_is_a_section_and_grows() {
        let group: Address = "elb.target_group.web".parse().expect("an address");
        let text = set_patch(FILE, &group, &path("health_check.interval"), &Value::Integer(10)).expect("set");
        assert_eq!(text, format!("{FILE}\n[patch.\"elb.target_group.web\"]\nhealth_check.interval = 10\n"));
        let more = set_patch(&text, &group, &path("health_check.timeout"), &Value::Integer(5)).expect("set");
        assert_eq!(more, format!("{text}health_check.timeout = 5\n"));
        let rule: Address = "ec2.security_group_rule.tasks_egress[\"smtp\"]".parse().expect("an address");
        let text = set_patch(FILE, &rule, &path("ports"), &vec![1_i64, 2].into()).expect("set");
        assert!(text.ends_with("[patch.'ec2.security_group_rule.tasks_egress[\"smtp\"]']\nports = [1, 2]\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        assert_eq!(set_input(FILE, &path("name"), &Value::Null), Err(EditError::NoSuchValue));
        assert_eq!(set_input(FILE, &path("name.x"), &1_i64.into()), Err(EditError::NotTable("name".to_owned())));
        assert_eq!(set_input("name = ", &path("name"), &1_i64.into()), Err(EditError::Syntax));
    }
}
