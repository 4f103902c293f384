//! What tests need beside the program: emulators of AWS, started on demand.

pub mod instance;
#[cfg(feature = "aws")]
pub mod emulator;
#[cfg(feature = "aws")]
pub mod ministack;
#[cfg(feature = "aws")]
pub mod moto;
#[cfg(feature = "aws")]
pub mod python;
