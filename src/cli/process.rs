//! What the process lets the system do with its memory, which holds secrets for moments.

/// Leaves no copy of the memory behind when the program dies: no core file, and nothing that another program of the
/// same user could look into. The program goes on where the system does not know one of these.
pub fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
