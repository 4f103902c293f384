//! The emulator that the tests use.

#[path = "../../../tests/support/emulator.rs"]
pub mod emulator;
#[path = "../../../tests/support/moto.rs"]
pub mod moto;
#[path = "../../../tests/support/python.rs"]
pub mod python;
