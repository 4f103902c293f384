//! What AWS has announced, in words: modifications that wait for a maintenance window, and maintenance of its own.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::attributes::Report;
use crate::provider::{Announcement, Target};
use crate::value::Value;

/// A modification that was asked for and has not happened yet: attributes of ours with the values they will have, and
/// what else there is, by its name. `window` is when such things happen; `status` tells whether it happens now.
pub fn waiting(
    target: &Target,
    status: Option<&str>,
    window: Option<&str>,
    attributes: Report,
    others: &[(&str, bool)],
) -> Option<Announcement> {
    let Value::Map(attributes) = attributes.value() else { return None };
    let others: Vec<&str> = others.iter().filter(|(_, is_waiting)| *is_waiting).map(|(name, _)| *name).collect();
    if attributes.is_empty() && others.is_empty() {
        return None;
    }
    let when = match (status, window) {
        (Some("available"), Some(window)) => Some(format!("in the maintenance window, {window}")),
        (Some("available"), None) | (None, _) => None,
        (Some(status), _) => Some(format!("now: it is {status}")),
    };
    let names = if others.is_empty() { String::new() } else { format!(" of {}", others.join(" and ")) };
    let what = format!("a modification{names} waits");
    Some(Announcement { address: target.address.clone(), what, when, attributes })
}

/// Maintenance of AWS's own.
pub fn maintenance(target: &Target, what: String, when: Option<String>) -> Announcement {
    Announcement { address: target.address.clone(), what, when, attributes: Default::default() }
}

/// An instant as text.
pub fn moment(date: &DateTime) -> String {
    date.fmt(Format::DateTime).unwrap_or_else(|_| date.secs().to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::address::Identity;

    /// Something that exists.
    pub fn target(address: &str, identity: &str) -> Target {
        let address = address.parse().expect("an address");
        let region = "eu-central-1".to_owned();
        Target { address, region, identity: Identity::new(identity), recorded: Value::Null, owner: None }
    }

    #[test]
    fn a_modification_that_waits_is_told_with_its_moment() {
        let target = target("rds.cluster.database", "social");
        let version = || Report::new().set("engine_version", "17.10");
        let told = |status, window, others: &[(&str, bool)]| {
            waiting(&target, status, window, version(), others).map(|found| (found.what, found.when))
        };
        assert_eq!(
            told(Some("available"), Some("sun:03:00-sun:04:00"), &[("the master password", false)]),
            Some((
                "a modification waits".to_owned(),
                Some("in the maintenance window, sun:03:00-sun:04:00".to_owned())
            ))
        );
        assert_eq!(
            told(Some("upgrading"), Some("sun:03:00-sun:04:00"), &[("the password", true), ("the port", true)]),
            Some((
                "a modification of the password and the port waits".to_owned(),
                Some("now: it is upgrading".to_owned())
            ))
        );
        assert_eq!(told(Some("available"), None, &[]).map(|(_, when)| when), Some(None));
        assert_eq!(waiting(&target, Some("available"), None, Report::new(), &[("the port", false)]), None);
        assert_eq!(
            waiting(&target, None, None, version(), &[]).expect("it waits").attributes,
            [("engine_version".to_owned(), "17.10".into())].into()
        );
    }
}
