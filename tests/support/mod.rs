//! What tests need beside the program: cases in folders, a simulated instance, emulators of AWS started on demand.

pub mod case;
#[cfg(feature = "aws")]
pub mod cloudcontrol;
#[cfg(feature = "aws")]
pub mod dns;
#[cfg(feature = "aws")]
pub mod emulator;
pub mod instance;
#[cfg(feature = "aws")]
pub mod loopback;
#[cfg(feature = "aws")]
pub mod ministack;
#[cfg(feature = "aws")]
pub mod moto;
#[cfg(feature = "python")]
pub mod npm;
pub mod policy;
#[cfg(feature = "aws")]
#[expect(dead_code, reason = "the benchmark of the wave needs more of it")]
pub mod proxy;
#[cfg(feature = "python")]
pub mod python;

/// Says something on the terminal also when the test passes: counts of what was tried.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
