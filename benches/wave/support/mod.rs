//! The emulator that the tests use.

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../../tests/support/emulator.rs"]
pub mod emulator;
#[expect(dead_code, reason = "the tests share one server, with moto's own pace")]
#[path = "../../../tests/support/moto.rs"]
pub mod moto;
#[path = "../../../tests/support/python.rs"]
pub mod python;
