//! One JSON object on one line, written by hand: the program needs no more.

use std::fmt::Write;

use crate::checksum::Checksum;

/// An object whose fields are added one by one.
pub struct Object(String);

impl Object {
    pub fn new() -> Object {
        Object("{".to_owned())
    }

    fn field(mut self, name: &str, value: impl std::fmt::Display) -> Object {
        let comma = if self.0.len() > 1 { ", " } else { "" };
        write!(self.0, "{comma}\"{name}\": {value}").expect("a string takes all that is written");
        self
    }

    /// `text` must need no escapes: names of workloads and engines.
    pub fn text(self, name: &str, text: &str) -> Object {
        self.field(name, format_args!("\"{text}\""))
    }

    /// Text from elsewhere.
    #[cfg(feature = "zarr")]
    pub fn any_text(self, name: &str, text: &str) -> Object {
        self.field(name, serde_json::Value::from(text))
    }

    pub fn integer(self, name: &str, value: usize) -> Object {
        self.field(name, value)
    }

    /// A number that an engine may not know.
    pub fn known(self, name: &str, value: Option<u64>) -> Object {
        match value {
            Some(value) => self.field(name, value),
            None => self.field(name, "null"),
        }
    }

    pub fn integers(self, name: &str, values: &[usize]) -> Object {
        self.field(name, format_args!("{values:?}"))
    }

    pub fn number(self, name: &str, value: f64) -> Object {
        self.field(name, number(value))
    }

    pub fn numbers(self, name: &str, values: &[f64]) -> Object {
        let values: Vec<String> = values.iter().map(|&value| number(value)).collect();
        self.field(name, format_args!("[{}]", values.join(", ")))
    }

    /// Bits as hexadecimal text, since JSON's numbers are floats; of a reduction the sum of its values.
    pub fn checksum(self, name: &str, checksum: &Checksum) -> Object {
        match checksum {
            Checksum::Bits(bits) => self.text(name, &format!("{bits:016x}")),
            Checksum::Values { values, .. } => self.number(name, values.iter().sum()),
        }
    }

    pub fn finish(self) -> String {
        self.0 + "}"
    }
}

/// The shortest digits that read back as the same number; JSON knows no infinities and no NaN.
fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else {
        "null".to_owned()
    }
}
