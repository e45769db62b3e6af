//! Where the file of a chunk lies, from its index in the grid.

use std::path::PathBuf;

use serde_json::Value;
use zarrs::metadata::v3::MetadataV3;

use super::metadata::refuse;
use crate::error::Result;

/// How an index becomes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Version 3 puts all chunks under `c`.
    prefixed: bool,
    separator: char,
}

impl Keys {
    pub fn new(metadata: &MetadataV3) -> Result<Keys> {
        let (prefixed, usual) = match metadata.name() {
            "default" => (true, '/'),
            "v2" => (false, '.'),
            other => {
                return Err(refuse(format!(
                    "its chunk key encoding {other:?} is unknown"
                )));
            }
        };
        let separator = metadata
            .configuration()
            .and_then(|configuration| configuration.get("separator"));
        let separator = match separator.map(Value::as_str) {
            None => usual,
            Some(Some("/")) => '/',
            Some(Some(".")) => '.',
            Some(_) => {
                return Err(refuse(
                    "its chunk keys are separated by neither \"/\" nor \".\"",
                ));
            }
        };
        Ok(Keys {
            prefixed,
            separator,
        })
    }

    /// The chunk's file, relative to the array's folder.
    pub fn path(&self, index: &[usize]) -> PathBuf {
        let mut key = String::new();
        if self.prefixed {
            key.push('c');
        } else if index.is_empty() {
            key.push('0');
        }
        for number in index {
            if !key.is_empty() {
                key.push(self.separator);
            }
            key.push_str(&number.to_string());
        }
        PathBuf::from(key)
    }
}
