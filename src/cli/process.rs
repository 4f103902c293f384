//! Requests of the process to the system: nothing may look into its memory, which holds secrets for moments, and it may
//! open as many files as it is allowed.

/// Leaves no copy of the memory behind when the program dies: no core file, and nothing that another program of the
/// same user could look into. The program goes on where the system does not know one of these.
pub fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Lets the process open as many files as the system allows it to: a fleet holds a lock for every instance.
pub fn open_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    // Some systems say that there is no limit and mean their own.
    let current = limit.maximum.map_or(MOST_FILES, |maximum| maximum.min(MOST_FILES));
    if limit.current.is_some_and(|now| now < current) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit });
    }
}

/// Enough for some ten thousand instances.
const MOST_FILES: u64 = 65_536;
