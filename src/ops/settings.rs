//! Which cloud and which files a command works on: what its options come to, once they are read.

use std::path::PathBuf;

use crate::provider::sim::Person;

/// Where a command works.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub cloud: Cloud,
    /// The file that describes the instance.
    pub file: PathBuf,
    /// The folder of the state files; `None`: `state` beside the file.
    pub state_dir: Option<PathBuf>,
    /// The folder of specs that lie over the program's own.
    pub specs: Option<PathBuf>,
}

/// A cloud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cloud {
    /// The real one. Its credentials and its region are found as the AWS command line finds them.
    Aws,
    /// One that this program plays.
    Sandbox(Sandbox),
}

/// How a simulated cloud is played.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sandbox {
    /// How many times faster than the real one it is.
    pub speed: Option<f64>,
    /// How long the person takes for what waits for one.
    pub person: Option<Person>,
}

impl Cloud {
    /// Whether nothing that is done there is real.
    pub fn is_simulated(self) -> bool {
        matches!(self, Self::Sandbox(_))
    }

    /// In a word, as a saved plan says where it belongs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Sandbox(_) => "sandbox",
        }
    }

    /// In the user's words, after `on`.
    pub fn place(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Sandbox(_) => "the sandbox",
        }
    }
}
