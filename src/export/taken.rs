//! Names of resources in an export, each unlike all others.

use std::collections::{BTreeMap, BTreeSet};

/// The names that are taken.
#[derive(Debug)]
pub struct Taken {
    names: BTreeSet<String>,
    /// The number that is tried next for a name that is taken. So many resources of one name take as many tries, and
    /// not each of them all numbers again.
    next: BTreeMap<String, usize>,
    /// A text between name and number.
    separator: &'static str,
    #[cfg(test)]
    tries: usize,
}

impl Taken {
    pub fn new(separator: &'static str) -> Self {
        Self {
            names: BTreeSet::new(),
            next: BTreeMap::new(),
            separator,
            #[cfg(test)]
            tries: 0,
        }
    }

    /// The name, with a number behind it if it is taken. It is taken now.
    pub fn unlike(&mut self, name: String) -> String {
        let mut candidate = name.clone();
        loop {
            #[cfg(test)]
            {
                self.tries += 1;
            }
            if self.names.insert(candidate.clone()) {
                return candidate;
            }
            let number = self.next.entry(name.clone()).or_insert(2);
            candidate = format!("{name}{}{number}", self.separator);
            *number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut taken = Taken::new("_");
        taken.unlike("a_3".to_owned());
        let names = ["a", "a", "a", "a_2", "b", "a"].map(|name| taken.unlike(name.to_owned()));
        assert_eq!(names, ["a", "a_2", "a_4", "a_2_2", "b", "a_5"]);
    }

    /// The work grows with the number of names.
    #[test]
    fn many_resources_of_one_name_take_two_tries_each() {
        let mut taken = Taken::new("");
        let names: BTreeSet<String> = (0..5_000).map(|_| taken.unlike("a".to_owned())).collect();
        assert_eq!((names.len(), taken.tries), (5_000, 9_999));
    }
}
