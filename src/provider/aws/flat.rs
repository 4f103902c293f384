//! The attributes of a flat type as one table: a row for each, by which creations and updates are sent and answers are
//! read. So none can be in one list and missing in another.
//!
//! ```ignore
//! flat! {
//!     creation: CreateDbInstanceFluentBuilder;
//!     update: ModifyDbInstanceFluentBuilder;
//!     shown: |instance: &DbInstance|;
//!     (identifier, needed_text, set_identifier, -, instance.identifier()),
//!     (promotion_tier, integer, set_promotion_tier, =, instance.promotion_tier()),
//!     (master_password, secret, set_master_password, *, -),
//!     (arn, -, -, -, instance.arn()),
//! }
//! ```
//!
//! | column | meaning |
//! | --- | --- |
//! | attribute | as in `specs/types` |
//! | kind | how [`Attributes`](super::attributes::Attributes) reads it; a kind with `needed_` must be there when something is made; any other name is a function of the attributes; `-`: AWS's own |
//! | creation, update | the setter of the SDK's request; `=`: the same as of a creation; `-`: it is not sent; `*`: the handler sends it in another way |
//! | shown | what an answer says of it: `None` leaves it out, for nothing is known of it; `-`: AWS does not tell |
//!
//! The table makes three functions of the module it stands in: `fill_creation` and `fill_update`, which take a request and
//! attributes, and `show`, which makes a report. An update is filled from what changes alone: see
//! [`changed`](super::attributes::changed).

macro_rules! flat {
    (
        creation: $Creation:ty;
        update: $Update:ty;
        shown: |$($found:ident: $Found:ty),+|;
        $(($name:ident, $kind:tt, $creation:tt, $update:tt, $($shown:tt)+)),* $(,)?
    ) => {
        /// A creation with what is wanted.
        fn fill_creation(
            request: $Creation,
            wanted: &$crate::provider::aws::attributes::Attributes<'_>,
        ) -> Result<$Creation, $crate::provider::ProviderError> {
            $(flat!(@send request, wanted, creation, $name, $kind, $creation);)*
            Ok(request)
        }

        /// An update with what changes.
        fn fill_update(
            request: $Update,
            changed: &$crate::provider::aws::attributes::Attributes<'_>,
        ) -> Result<$Update, $crate::provider::ProviderError> {
            $(flat!(@update request, changed, $name, $kind, $creation, $update);)*
            Ok(request)
        }

        /// What AWS tells.
        fn show($($found: $Found),+) -> $crate::provider::aws::attributes::Report {
            let report = $crate::provider::aws::attributes::Report::new();
            $(flat!(@show report, $name, $($shown)+);)*
            report
        }
    };

    (@update $request:ident, $from:ident, $name:ident, $kind:tt, $creation:tt, =) => {
        flat!(@send $request, $from, update, $name, $kind, $creation);
    };
    (@update $request:ident, $from:ident, $name:ident, $kind:tt, $creation:tt, $update:tt) => {
        flat!(@send $request, $from, update, $name, $kind, $update);
    };

    (@send $request:ident, $from:ident, $verb:ident, $name:ident, $kind:tt, -) => {};
    (@send $request:ident, $from:ident, $verb:ident, $name:ident, $kind:tt, *) => {};
    (@send $request:ident, $from:ident, $verb:ident, $name:ident, $kind:tt, $set:ident) => {
        let $request = $request.$set(flat!(@read $from, $verb, $kind, stringify!($name)));
    };

    (@read $from:ident, creation, needed_text, $name:expr) => { Some($from.text($name)?.to_owned()) };
    (@read $from:ident, creation, needed_integer, $name:expr) => { Some($from.integer($name)?) };
    (@read $from:ident, creation, needed_flag, $name:expr) => { Some($from.flag($name)?) };
    (@read $from:ident, creation, needed_texts, $name:expr) => { Some($from.texts($name)?) };
    (@read $from:ident, update, needed_text, $name:expr) => { $from.owned_text($name)? };
    (@read $from:ident, update, needed_integer, $name:expr) => { $from.optional_integer($name)? };
    (@read $from:ident, update, needed_texts, $name:expr) => { $from.optional_texts($name)? };
    (@read $from:ident, $verb:ident, text, $name:expr) => { $from.owned_text($name)? };
    (@read $from:ident, $verb:ident, integer, $name:expr) => { $from.optional_integer($name)? };
    (@read $from:ident, $verb:ident, flag, $name:expr) => { $from.optional_flag($name)? };
    (@read $from:ident, $verb:ident, texts, $name:expr) => { $from.optional_texts($name)? };
    (@read $from:ident, $verb:ident, secret, $name:expr) => { $from.secret($name)?.map(str::to_owned) };
    (@read $from:ident, $verb:ident, $function:ident, $name:expr) => { $function($from)? };

    (@show $report:ident, $name:ident, -) => {};
    (@show $report:ident, $name:ident, $($shown:tt)+) => {
        let $report = $report.set_if(stringify!($name), $($shown)+);
    };
}

pub(super) use flat;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::provider::aws::attributes::Attributes;
    use crate::provider::{ErrorKind, ProviderError};
    use crate::value::{Known, Value};

    /// A request that remembers what it was told.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Request(Vec<String>);

    impl Request {
        fn set_name(self, name: Option<String>) -> Self {
            self.and("name", name)
        }

        fn set_size(self, size: Option<i32>) -> Self {
            self.and("size", size)
        }

        fn set_limits(self, limits: Option<i32>) -> Self {
            self.and("limits", limits)
        }

        fn set_password(self, password: Option<String>) -> Self {
            self.and("password", password)
        }

        fn and(mut self, name: &str, value: Option<impl ToString>) -> Self {
            self.0.extend(value.map(|value| format!("{name} {}", value.to_string())));
            self
        }
    }

    struct Thing {
        size: Option<i32>,
    }

    fn limits(attributes: &Attributes<'_>) -> Result<Option<i32>, ProviderError> {
        attributes.table("limits")?.optional_integer("most")
    }

    flat! {
        creation: Request;
        update: Request;
        shown: |thing: &Thing, arn: &str|;
        (name, needed_text, set_name, -, -),
        (size, integer, set_size, set_size, thing.size),
        (limits, limits, set_limits, =, None::<i32>),
        (password, secret, set_password, *, -),
        (arn, -, -, -, Some(arn)),
    }

    fn known(json: serde_json::Value) -> Known {
        Value::from_json(&json).lift()
    }

    #[test]
    fn a_row_is_sent_and_shown_where_its_columns_say() {
        let all = known(json!({"name": "a", "size": 3, "limits": {"most": 5}, "password": "p"}));
        let wanted = Attributes::new(&all, "toys:Make");
        let made = fill_creation(Request::default(), &wanted).expect("all is there");
        assert_eq!(made.0, ["name a", "size 3", "limits 5", "password p"]);
        let changed = fill_update(Request::default(), &wanted).expect("all is there");
        assert_eq!(changed.0, ["size 3", "limits 5"]);
        assert_eq!(show(&Thing { size: Some(3) }, "arn:a").value().to_string(), r#"{"arn": "arn:a", "size": 3}"#);
        assert_eq!(show(&Thing { size: None }, "arn:a").value().to_string(), r#"{"arn": "arn:a"}"#);
    }

    #[test]
    fn what_is_needed_is_asked_for_when_something_is_made() {
        let some = known(json!({"size": 4}));
        let wanted = Attributes::new(&some, "toys:Make");
        let missing = fill_creation(Request::default(), &wanted).expect_err("it has no name");
        assert_eq!((missing.kind, missing.attribute.as_deref()), (ErrorKind::Invalid, Some("name")));
        assert_eq!(fill_update(Request::default(), &wanted).expect("nothing else changes").0, ["size 4"]);
    }
}
