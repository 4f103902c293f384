//! What tests need beside the program: emulators of AWS, started on demand.

#[cfg(feature = "aws")]
pub mod emulator;
#[cfg(feature = "aws")]
pub mod ministack;
#[cfg(feature = "aws")]
pub mod moto;
#[cfg(feature = "aws")]
pub mod python;
